/* Seeds of fuzz_training: the first byte chooses, see there. */
#include <stdio.h>
#include <string.h>

#include "seeds.h"

static const char *const inputs[] = {
	"\x20{\"prompt\": \"the quick \", \"answer\": \"brown fox\"}\n\n{\"text\": \"a b c\"}\n",
	"\x0a{\"segments\": [{\"text\": \"abc\"}, {\"text\": \" def\", \"train\": true}, "
	"{\"text\": "
	"\"\", \"train\": false}]}",
	"\x04{\"text\": \"<s>hello</s>\"}\r\n  \n{\"text\": \"\"}\n{\"text\": \"\\u0000\\u20ac\"}",
	"\x02{\"text\": \"a long text that has to be cut into many pieces, again and again\"}",
	"\x01width=64,layers=2,heads=4,kv_heads=2,head_dim=16,ffn=96,context=64,tied=0,arch=qwen3",
	"\x01vocabulary=400,norm_epsilon=1e-6,rope_base=1e6,arch=qwen2",
};

void seeds_training(void)
{
	char name[32];

	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		snprintf(name, sizeof(name), "training-%zu", i);
		seed_write("training", name, inputs[i], strlen(inputs[i]));
	}
}
