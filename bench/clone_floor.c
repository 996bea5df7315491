/*
 * clone_floor - the least that a container can cost: one clone(2) into the
 * namespaces that a container has, a bind mount to pivot to, and the program.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "clone_floor: %s: %s\n", what, strerror(errno));
	_exit(125);
}

int main(int argc, char **argv)
{
	unsigned long flags =
		CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | SIGCHLD;
	int status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: clone_floor ROOT PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
	if (pid < 0)
		fail("clone");
	if (pid == 0) {
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			fail("mount");
		if (mount(argv[1], argv[1], NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(argv[1]) < 0)
			fail(argv[1]);
		if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
			fail("pivot_root");
		execv(argv[2], argv + 2);
		fail(argv[2]);
	}
	if (waitpid(pid, &status, 0) < 0)
		fail("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
