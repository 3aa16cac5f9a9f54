/* main.c: the program: standard descriptors in order, then the frame, then a last look at stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"

/*
 * A descriptor 0 to 2 that was closed by the caller would be given to the next file opened, and
 * messages would land in it. Each is taken here by a file that refuses the use it is meant for, so
 * that a command which needs it still fails.
 */
static void occupy_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Output that did not arrive is a failure: a full disk must not look like success. The reason is
 * only known if closing fails; that of an earlier write is lost, unless output.c has said it. */
static int close_output(int code)
{
	bool failed = ferror(stdout);
	int reason = fclose(stdout) != 0 ? errno : 0;

	if (!failed && !reason)
		return code;
	fprintf(stderr, "edgelm: cannot write to standard output%s%s\n", reason ? ": " : "",
		reason ? strerror(reason) : "");
	return code == CLI_DONE ? CLI_FAILED : code;
}

int main(int argc, char **argv)
{
	occupy_standard_descriptors();
	signal(SIGPIPE, SIG_IGN); /* a reader that left is reported by the write that fails */
	return close_output(cli_main(&cli_root, argc, argv));
}
