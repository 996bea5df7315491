#include "shim/console.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "shim/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>

int console_open(int root, int *ret_master, struct error *err)
{
	cleanup_close int dir = rootfs_open(root, "/dev/pts", O_DIRECTORY, err);
	cleanup_close int master = -1;
	struct statfs fs;
	struct stat st;
	int unlocked = 0, terminal;

	if (dir < 0)
		return error_wrap(err, "process.terminal");
	if (fstatfs(dir, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return error_set(err, ENOTTY, "process.terminal: /dev/pts is not a devpts mount");
	master = openat(dir, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (master < 0 || fstat(master, &st) < 0)
		return error_errno(err, errno, "process.terminal: /dev/pts/ptmx");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return error_set(err, ENOTTY, "process.terminal: /dev/pts/ptmx is not ptmx");
	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return error_errno(err, errno, "process.terminal: unlock");
	terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0)
		return error_errno(err, errno, "process.terminal: open the other end");
	*ret_master = take_fd(master);
	return terminal;
}

int console_set_size(int fd, uint16_t rows, uint16_t cols, bool is_relayed, struct error *err)
{
	struct winsize size = {.ws_row = rows, .ws_col = cols}, ours;

	if (is_relayed && ioctl(STDIN_FILENO, TIOCGWINSZ, &ours) == 0)
		size = ours;
	if ((size.ws_row || size.ws_col) && ioctl(fd, TIOCSWINSZ, &size) < 0)
		return error_errno(err, errno, "process.consoleSize");
	return 0;
}

int console_connect(const char *path, struct error *err)
{
	cleanup_close int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (sock < 0)
		return error_errno(err, errno, "socket");
	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path))
		return error_errno(err, ENAMETOOLONG, "%s", path);
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_errno(err, errno, "%s", path);
	return take_fd(sock);
}

int console_send(int sock, int master, struct error *err)
{
	static const char name[] = "/dev/ptmx";

	return fd_send_message(sock, name, sizeof(name) - 1, &master, 1, err);
}
