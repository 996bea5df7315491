/* exit_stamp FILE - notes when it starts and when it ends (CLOCK_MONOTONIC ns), and fails. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int main(int argc, char **argv)
{
	int64_t began = now_ns();
	int fd = argc == 2 ? open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		return 2;
	/* Long enough for a supervisor to have seen it run. */
	usleep(50000);
	return dprintf(fd, "%" PRId64 " %" PRId64 "\n", began, now_ns()) > 0 ? 1 : 2;
}
