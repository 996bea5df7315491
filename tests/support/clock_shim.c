/*
 * clock_shim - the wall clock of programs that are started with it in LD_PRELOAD is set by tests.
 *
 * $LOCALD_TEST_CLOCK is a file that holds, as a 64-bit number, by how many nanoseconds the time
 * of day is off.  It is mapped, so a change counts at once, for all of them.  Other clocks are
 * left alone, and so are timers of the kernel that go by the wall clock.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000ll

static const volatile int64_t *offset_of_day;

__attribute__((constructor)) static void map_offset(void)
{
	const char *path = getenv("LOCALD_TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = MAP_FAILED;

	if (fd >= 0)
		map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		offset_of_day = map;
	if (fd >= 0)
		close(fd);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
	int result = (int)syscall(SYS_clock_gettime, id, ret);
	int64_t ns;

	if (result < 0 || !offset_of_day || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
		return result;
	ns = ret->tv_sec * NS + ret->tv_nsec + *offset_of_day;
	ret->tv_sec = (time_t)(ns / NS);
	ret->tv_nsec = (long)(ns % NS);
	return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -1;
	ret->tv_sec = now.tv_sec;
	ret->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -1;
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
