#include "net/outbound.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define TUN "/dev/net/tun"

static const struct {
	const char *name, *resolver;
	enum outbound_kind kind;
} known[] = {
	{"pasta", "169.254.1.1", OUTBOUND_PASTA},
	{"slirp4netns", "10.0.2.3", OUTBOUND_SLIRP4NETNS},
};

/* 0, or why it cannot be used. */
static int try_tun(void)
{
	cleanup_close int fd = open(TUN, O_RDWR | O_CLOEXEC);

	return fd < 0 ? errno : 0;
}

void outbound_find(struct outbound *ret)
{
	int no_tun = try_tun();

	*ret = (struct outbound){0};
	for (size_t i = 0; i < ARRAY_LEN(known) && !ret->program; i++) {
		ret->program = fs_find_program(known[i].name);
		ret->kind = known[i].kind;
		ret->resolver = known[i].resolver;
	}
	if (ret->program && no_tun == 0)
		return;
	if (ret->program) {
		ret->why = xasprintf("%s needs " TUN ": %s", ret->program, strerror(no_tun));
		ret->fix = xstrdup(no_tun == EACCES ? "sudo chmod 0666 " TUN : "sudo modprobe tun");
	} else {
		ret->why = xstrdup("neither pasta nor slirp4netns is installed");
		ret->fix = xstrdup("sudo apt-get install passt");
	}
	free(take_ptr(ret->program));
	ret->kind = OUTBOUND_NONE;
	ret->resolver = NULL;
}

void outbound_release(struct outbound *outbound)
{
	free(outbound->program);
	free(outbound->why);
	free(outbound->fix);
	*outbound = (struct outbound){0};
}
