/* Seeds of fuzz_completion: answers as several servers stream them. */
#include "seeds.h"

static const char chat[] =
	"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n"
	"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n"
	"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1,"
	"\"prompt_tokens_details\":{\"cached_tokens\":0}}}\n\ndata: [DONE]\n\n";
static const char text[] =
	"data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":\"length\"}]}\n\n";
static const char odd[] =
	"data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n"
	"data: {\"error\":{\"message\":\"no\"}}\n\ndata: {\"error\":\"no\"}\n\n"
	"data: {\"choices\":{},\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1.5}}\n\n";

void seeds_completion(void)
{
	seed_write("completion", "chat", chat, sizeof(chat) - 1);
	seed_write("completion", "text", text, sizeof(text) - 1);
	seed_write("completion", "odd", odd, sizeof(odd) - 1);
}
