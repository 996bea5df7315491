#include "keeper/tree.h"

#include "base/array.h"
#include "base/error.h"
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

struct member {
	pid_t pid, pgrp;
	uint64_t start_ticks;
	char state;
};

struct members {
	ARRAY(struct member) items;
};

/* A fork bomb that outgrows this is killed in more than one sweep. */
#define MEMBERS_MAX 65536

#define DEPTH_MAX 4096

static void add_member(struct members *members, pid_t pid, pid_t parent)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct proc_stat stat;

	/* It may have ended, and its number be someone else's, since the list was read. */
	if (proc_read_stat(pid, &stat, &err) < 0 || stat.ppid != parent || stat.state == 'Z' ||
	    members->items.len >= MEMBERS_MAX)
		return;
	*array_add(&members->items) = (struct member){
		.pid = pid,
		.pgrp = stat.pgrp,
		.start_ticks = stat.start_ticks,
		.state = stat.state,
	};
}

static void add_children_of_task(struct members *members, pid_t parent, const char *tid)
{
	char path[64];
	cleanup_file FILE *file = NULL;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)parent, tid);
	file = fopen(path, "re");
	/* NOLINTNEXTLINE(cert-err34-c): the kernel writes these numbers. */
	while (file && fscanf(file, "%d", &pid) == 1)
		add_member(members, pid, parent);
}

static void add_children(struct members *members, pid_t parent)
{
	char path[64];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)parent);
	tasks = opendir(path);
	if (!tasks)
		return;
	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			add_children_of_task(members, parent, entry->d_name);
	closedir(tasks);
}

static void walk(struct members *members)
{
	members->items.len = 0;
	add_children(members, getpid());
	for (size_t i = 0; i < members->items.len; i++)
		add_children(members, members->items.items[i].pid);
}

static void signal_member(const struct member *member, int signo)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int pidfd = proc_pidfd_open(member->pid, &err);
	struct proc_stat stat;

	/* With the pidfd open the number cannot change hands any more: is it still the same one? */
	if (pidfd < 0 || proc_read_stat(member->pid, &stat, &err) < 0 ||
	    stat.start_ticks != member->start_ticks)
		return;
	(void)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

int tree_check(struct error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if (access(path, R_OK) < 0)
		return error_errno(err, errno, "this kernel does not list children in /proc");
	return 0;
}

bool tree_has(pid_t pid)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	pid_t self = getpid();
	struct proc_stat stat;

	/* Upwards: parents die meanwhile, but their children then are ours. */
	for (int depth = 0; pid > 1 && depth < DEPTH_MAX; depth++) {
		if (pid == self)
			return depth > 0;
		if (proc_read_stat(pid, &stat, &err) < 0)
			return false;
		pid = stat.ppid;
	}
	return false;
}

void tree_signal(int signo, pid_t except)
{
	struct members members = {0};

	walk(&members);
	array_foreach(member, &members.items)
		if (except == 0 || member->pgrp != except)
			signal_member(member, signo);
	array_release(&members.items);
}

#define FREEZE_ROUNDS 100

void tree_kill(void)
{
	struct members members = {0};

	for (int round = 0; round < FREEZE_ROUNDS; round++) {
		size_t moving = 0;

		walk(&members);
		array_foreach(member, &members.items) {
			if (member->state == 'T' || member->state == 't')
				continue;
			moving++;
			signal_member(member, SIGSTOP);
		}
		if (moving == 0)
			break;
	}
	array_foreach(member, &members.items)
		signal_member(member, SIGKILL);
	array_release(&members.items);
}
