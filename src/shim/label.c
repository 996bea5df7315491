#include "shim/label.h"

#include "base/error.h"
#include "base/str.h"
#include "shim/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

bool label_has_apparmor(void)
{
	cleanup_close int fd =
		open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
	char value = 'N';

	return fd >= 0 && read(fd, &value, 1) == 1 && value == 'Y';
}

bool label_has_selinux(void)
{
	return access("/sys/fs/selinux/enforce", F_OK) == 0;
}

int label_check(const struct spec_process *process, const char *mount_label, struct error *err)
{
	if (!str_empty(process->apparmor) && !label_has_apparmor())
		return error_set(err, ERR_UNSUPPORTED,
		                 "process.apparmorProfile: this host has no AppArmor");
	if (!str_empty(process->selinux_label) && !label_has_selinux())
		return error_set(err, ERR_UNSUPPORTED,
		                 "process.selinuxLabel: this host has no SELinux");
	if (!str_empty(mount_label) && !label_has_selinux())
		return error_set(err, ERR_UNSUPPORTED,
		                 "linux.mountLabel: this host has no SELinux");
	return 0;
}

static int write_attribute(int proc, const char *path, const char *text, struct error *err)
{
	const struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	cleanup_close int fd = (int)syscall(SYS_openat2, proc, path, &how, sizeof(how));

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_errno(err, errno, "write `%s` to /proc/%s", text, path);
	return 0;
}

int label_apply(int proc, const struct spec_process *process, struct error *err)
{
	cleanup(error_release) struct error why = ERROR_INIT;
	char text[1024];

	if (!str_empty(process->selinux_label) &&
	    write_attribute(proc, "thread-self/attr/exec", process->selinux_label, err) < 0)
		return error_wrap(err, "process.selinuxLabel");
	if (str_empty(process->apparmor))
		return 0;
	if (snprintf(text, sizeof(text), "exec %s", process->apparmor) >= (int)sizeof(text))
		return error_set(err, ENAMETOOLONG, "process.apparmorProfile: is too long");
	/* The first is where it has its own place beside other modules. */
	if (write_attribute(proc, "thread-self/attr/apparmor/exec", text, &why) < 0 &&
	    write_attribute(proc, "thread-self/attr/exec", text, err) < 0)
		return error_wrap(err, "process.apparmorProfile");
	return 0;
}
