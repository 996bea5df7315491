#include "keeper/tree.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/strbuf.h"
#include "keeper/protocol.h"

#include <ctype.h>
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

#define DEPTH_MAX       4096
#define ENVIRONMENT_MAX (4UL * 1024 * 1024)

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

static void walk_own(struct members *members)
{
	add_children(members, getpid());
	for (size_t i = 0; i < members->items.len; i++)
		add_children(members, members->items.items[i].pid);
}

bool tree_is_marked(pid_t pid, const char *run)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = xasprintf("/proc/%d/environ", (int)pid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fd_read_to_end(fd, &text, ENVIRONMENT_MAX, &err) < 0)
		return false;
	for (size_t at = 0; at < text.len; at += strlen(text.buf + at) + 1)
		if (str_starts(text.buf + at, KEEPER_RUN_VARIABLE "=") &&
		    str_eq(text.buf + at + strlen(KEEPER_RUN_VARIABLE "="), run))
			return true;
	return false;
}

/* A process, and whether it belongs to the tree. */
struct candidate {
	struct member member;
	pid_t parent;
	bool is_in;
};

struct candidates {
	ARRAY(struct candidate) items; /* by pid */
};

static int compare_pid(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return (x->member.pid > y->member.pid) - (x->member.pid < y->member.pid);
}

static bool has_marks(const struct tree_marks *marks, const struct proc_stat *stat, pid_t pid)
{
	if (marks->leader > 0 && pid == marks->leader && stat->start_ticks == marks->start_ticks)
		return true;
	return (marks->session > 0 && stat->session == marks->session) ||
	       tree_is_marked(pid, marks->run);
}

static void add_candidate(struct candidates *list, const struct tree_marks *marks, pid_t pid)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct proc_stat stat;

	if (pid == getpid() || proc_read_stat(pid, &stat, &err) < 0)
		return;
	*array_add(&list->items) = (struct candidate){
		.member = {.pid = pid,
	                   .pgrp = stat.pgrp,
	                   .start_ticks = stat.start_ticks,
	                   .state = stat.state},
		.parent = stat.ppid,
		.is_in = has_marks(marks, &stat, pid),
	};
}

static bool is_parent_in(const struct candidates *list, const struct candidate *child)
{
	struct candidate wanted = {.member = {.pid = child->parent}};
	const struct candidate *parent =
		bsearch(&wanted, list->items.items, list->items.len, sizeof(wanted), compare_pid);

	return parent && parent->is_in;
}

/* The marked processes of the machine, and then whoever descends from one. */
static void walk_marked(struct members *members, const struct tree_marks *marks)
{
	struct candidates list = {0};
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool has_grown = true;

	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			add_candidate(&list, marks, (pid_t)strtoul(entry->d_name, NULL, 10));
	if (proc)
		closedir(proc);
	array_sort(&list.items, compare_pid);
	while (has_grown) {
		has_grown = false;
		array_foreach(candidate, &list.items) {
			if (candidate->is_in || !is_parent_in(&list, candidate))
				continue;
			candidate->is_in = has_grown = true;
		}
	}
	array_foreach(candidate, &list.items)
		if (candidate->is_in && candidate->member.state != 'Z' &&
		    members->items.len < MEMBERS_MAX)
			*array_add(&members->items) = candidate->member;
	array_release(&list.items);
}

static void walk(struct members *members, const struct tree_marks *marks)
{
	members->items.len = 0;
	if (marks)
		walk_marked(members, marks);
	else
		walk_own(members);
}

static bool signal_member(const struct member *member, int signo)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int pidfd = proc_pidfd_open(member->pid, &err);
	struct proc_stat stat;

	/* With the pidfd open the number cannot change hands any more: is it still the same one? */
	if (pidfd < 0 || proc_read_stat(member->pid, &stat, &err) < 0 ||
	    stat.start_ticks != member->start_ticks)
		return false;
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) == 0;
}

int tree_check(struct error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if (access(path, R_OK) < 0)
		return error_errno(err, errno, "this kernel does not list children in /proc");
	return 0;
}

struct tree_marks tree_marks_of(const char *run, pid_t leader, uint64_t start_ticks)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct tree_marks marks = {.run = run, .leader = leader, .start_ticks = start_ticks};
	struct proc_stat stat, own;

	if (leader > 0 && proc_read_stat(leader, &stat, &err) == 0 &&
	    stat.start_ticks == start_ticks && proc_read_stat(getpid(), &own, &err) == 0 &&
	    stat.session != own.session)
		marks.session = stat.session;
	return marks;
}

bool tree_has(const struct tree_marks *marks, pid_t pid)
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
		if (marks && has_marks(marks, &stat, pid))
			return true;
		pid = stat.ppid;
	}
	return false;
}

bool tree_is_empty(const struct tree_marks *marks)
{
	struct members members = {0};
	bool is_empty;

	walk(&members, marks);
	is_empty = members.items.len == 0;
	array_release(&members.items);
	return is_empty;
}

void tree_signal(const struct tree_marks *marks, int signo, pid_t group)
{
	struct members members = {0};

	/* Before the first ends: its children go to us then, and a walk could miss them. */
	walk(&members, marks);
	if (group > 0)
		(void)kill(-group, signo);
	array_foreach(member, &members.items)
		if (group == 0 || member->pgrp != group)
			(void)signal_member(member, signo);
	array_release(&members.items);
}

/* Sweeps come again before all have ended. */
static bool was_killed(const struct tree_killed *killed, const struct member *member)
{
	array_foreach(id, &killed->ids)
		if (id->pid == member->pid && id->start_ticks == member->start_ticks)
			return true;
	return false;
}

void tree_note_killed(struct tree_killed *killed, pid_t pid)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct member member = {.pid = pid};
	struct proc_stat stat;

	if (proc_read_stat(pid, &stat, &err) < 0 || stat.state == 'Z')
		return;
	member.start_ticks = stat.start_ticks;
	if (!was_killed(killed, &member))
		*array_add(&killed->ids) = (struct tree_id){pid, stat.start_ticks};
}

#define FREEZE_ROUNDS 100

void tree_kill(const struct tree_marks *marks, struct tree_killed *killed)
{
	struct members members = {0};

	for (int round = 0; round < FREEZE_ROUNDS; round++) {
		size_t moving = 0;

		walk(&members, marks);
		array_foreach(member, &members.items) {
			if (member->state == 'T' || member->state == 't')
				continue;
			moving++;
			(void)signal_member(member, SIGSTOP);
		}
		if (moving == 0)
			break;
	}
	array_foreach(member, &members.items)
		if (signal_member(member, SIGKILL) && !was_killed(killed, member))
			*array_add(&killed->ids) =
				(struct tree_id){member->pid, member->start_ticks};
	array_release(&members.items);
}
