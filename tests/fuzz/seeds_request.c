/* Seeds of fuzz_request: requests that use every field. */
#include <stdio.h>
#include <string.h>

#include "seeds.h"

static const char *const bodies[] = {
	"{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}",
	"{\"messages\": [{\"role\": \"system\", \"content\": [{\"type\": \"text\", \"text\": "
	"\"x\"}]}, {\"role\": \"assistant\", \"content\": null, \"tool_calls\": []}], \"tools\": "
	"[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}}}], "
	"\"tool_choice\": \"auto\", \"chat_template_kwargs\": {\"enable_thinking\": false}}",
	"{\"messages\": [], \"stream\": true, \"stream_options\": {\"include_usage\": true}, "
	"\"n\": 2, \"stop\": [\"a\", \"b\"], \"seed\": 5, \"logit_bias\": {\"1\": -100}, "
	"\"logprobs\": true, \"top_logprobs\": 5, \"presence_penalty\": 0.5, "
	"\"frequency_penalty\": 1, \"temperature\": 0.7, \"max_completion_tokens\": 10}",
	"{\"messages\": [], \"response_format\": {\"type\": \"json_schema\", \"json_schema\": "
	"{\"schema\": {\"type\": \"object\"}}}}",
	"{\"prompt\": [\"a\", [1, 2]], \"max_tokens\": 3, \"logprobs\": 2, \"suffix\": \"\"}",
	"{\"prompt\": [1, 2, 3], \"n_predict\": -1, \"grammar\": \"root ::= [a-z]\", \"n_probs\": "
	"3, \"mirostat\": 2, \"mirostat_tau\": 5, \"mirostat_eta\": 0.1, \"top_k\": 40, \"min_p\": "
	"0.1, \"typical_p\": 1, \"repeat_last_n\": 64, \"repeat_penalty\": 1.1, \"ignore_eos\": "
	"true, \"cache_prompt\": false, \"timings_per_token\": true, \"return_tokens\": true, "
	"\"return_progress\": true, \"dry_multiplier\": 0, \"logit_bias\": [[1, false]], "
	"\"priority\": 1, \"json_schema\": null}",
	"{\"input\": \"hi\", \"instructions\": \"be brief\", \"max_output_tokens\": 5, "
	"\"reasoning\": {\"effort\": \"none\"}, \"truncation\": \"disabled\", \"store\": true}",
	"{\"input\": [{\"role\": \"developer\", \"content\": [{\"type\": \"input_text\", "
	"\"text\": \"x\"}]}, {\"type\": \"reasoning\", \"summary\": []}, {\"type\": "
	"\"function_call\", \"call_id\": \"c\", \"name\": \"f\", \"arguments\": \"{}\"}, "
	"{\"type\": \"function_call_output\", \"call_id\": \"c\", \"output\": \"1\"}], "
	"\"tools\": [{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}], "
	"\"tool_choice\": {\"type\": \"function\", \"name\": \"f\"}, \"include\": "
	"[\"message.output_text.logprobs\"], \"top_logprobs\": 2}",
	"{\"input\": \"j\", \"text\": {\"format\": {\"type\": \"json_schema\", \"name\": \"n\", "
	"\"schema\": {\"type\": \"object\"}}}, \"stream\": true}",
	"{\"input\": [\"a\", [1, 2]], \"encoding_format\": \"base64\", \"dimensions\": 2, "
	"\"embd_normalize\": 3}",
	"{\"content\": \"a\", \"embd_normalize\": 0, \"priority\": 1}",
};

void seeds_request(void)
{
	char name[32];

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		snprintf(name, sizeof(name), "body-%zu", i);
		seed_write("request", name, bodies[i], strlen(bodies[i]));
	}
}
