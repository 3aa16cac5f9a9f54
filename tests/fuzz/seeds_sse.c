/* Seeds of fuzz_sse: streams of servers, and odd ones. The first byte chooses where they are cut.
 */
#include "seeds.h"

static const char chat[] =
	"1data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n";
static const char responses[] = "2event: response.created\r\ndata: {}\r\n\r\n: ping\r\n\r\n"
				"event: a\rdata: one\rdata: two\r\r";
static const char odd[] =
	"3\xef\xbb\xbf"
	"data\n\ndata:\ndata:  x\nid: 7\nretry: 10\nnothing\n:\n\nevent: e\n\ndata: cut";

void seeds_sse(void)
{
	seed_write("sse", "chat", chat, sizeof(chat) - 1);
	seed_write("sse", "responses", responses, sizeof(responses) - 1);
	seed_write("sse", "odd", odd, sizeof(odd) - 1);
}
