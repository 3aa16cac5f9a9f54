/* types.c: prints the weight types that this library knows, with their size per weight.
 * Build: cc types.c $(pkg-config --cflags --libs edgelm) */
#include <edgelm/types.h>
#include <edgelm/version.h>

#include <stdio.h>

int main(void)
{
	printf("edgelm %s\n", elm_version());
	for (unsigned type = 0; type < ELM_TYPE_LIMIT; type++) {
		const elm_type_info *info = elm_type_get(type);

		if (info)
			printf("%-8s %.4f bits per weight\n", info->name,
			       8.0 * info->block_bytes / info->block_elements);
	}
	return 0;
}
