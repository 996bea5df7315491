#include "proxy/confine.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534

/* The leak checker reads /proc and starts a tracer when the program ends. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

/* More descriptors, as every connection takes two. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int drop_identity(struct error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	/* A user namespace may have no nobody; without capabilities its root is as good. */
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	     setresuid(NOBODY, NOBODY, NOBODY) < 0) &&
	    errno != EINVAL && errno != EPERM)
		return error_errno(err, errno, "become nobody");
	if (syscall(SYS_capset, &header, none) < 0)
		return error_errno(err, errno, "drop capabilities");
	return 0;
}

/* No file can be opened, made or removed from now on. */
static void forbid_files(void)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (ruleset < 0)
		return;
	syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
}

int confine_self(int last_fd, struct error *err)
{
	struct rlimit none = {0};

	fd_close_from(last_fd + 1);
	raise_descriptor_limit();
	if (chdir("/") < 0)
		return error_errno(err, errno, "chdir /");
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return error_errno(err, errno, "forbid core dumps");
	if (drop_identity(err) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "no_new_privs");
	if (IS_SANITIZED)
		return 0;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0)
		return error_errno(err, errno, "forbid tracing and children");
	forbid_files();
	return 0;
}
