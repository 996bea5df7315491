#include "keeper/keeper.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "keeper/pidfd_info.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* While the tree ends; as long as its leader lives, nothing is looked at. */
#define LOOK_MS 20
/* The leader's parent, whoever that is now, has so long to reap it. */
#define REAP_MS 1000

#define TICK_NS (INT64_C(1000000000) / sysconf(_SC_CLK_TCK))

static void note_start(struct keeper *keeper)
{
	int64_t age_ns = clock_boot_ns() - (int64_t)keeper->spec->adopt_start_ticks * TICK_NS;

	keeper->started_ms = clock_mono_ms() - age_ns / 1000000;
	keeper->status.started_real_ns = clock_real_ns() - age_ns;
}

/* When none was passed. */
static int open_leader(const struct keeper_spec *spec)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int pidfd = proc_pidfd_open(spec->adopt_pid, &err);
	struct proc_stat stat;

	if (pidfd < 0 || proc_read_stat(spec->adopt_pid, &stat, &err) < 0 ||
	    stat.start_ticks != spec->adopt_start_ticks)
		return -1;
	return take_fd(pidfd);
}

static void leader_is_gone(struct keeper *keeper)
{
	keeper->is_leader_gone = true;
	keeper->exit_known_by_ms = clock_mono_ms() + (keeper->io.leader >= 0 ? REAP_MS : 0);
	keeper->next_look_ms = clock_mono_ms();
}

void keeper_adopt(struct keeper *keeper)
{
	const struct keeper_spec *spec = keeper->spec;

	keeper->is_adopted = true;
	keeper->marks = tree_marks_of(keeper->run_mark, spec->adopt_pid, spec->adopt_start_ticks);
	keeper->status.pid = spec->adopt_pid;
	keeper->status.start_ticks = spec->adopt_start_ticks;
	keeper->status.degraded = true;
	note_start(keeper);
	log_writer_tick(&keeper->log);
	log_writer_event(&keeper->log, "event=adopt\npid=%d\n", (int)spec->adopt_pid);
	for (int i = 0; i < 2; i++)
		capture_go_on(&keeper->io.captures[i], &keeper->log);
	keeper->status.state = KEEPER_RUNNING;
	if (keeper->io.leader < 0)
		keeper->io.leader = open_leader(spec);
	if (keeper->io.leader < 0) {
		leader_is_gone(keeper);
		keeper_end_rest(keeper);
	}
}

static void note_exit(struct keeper *keeper, int wait_status)
{
	if (WIFEXITED(wait_status))
		keeper->status.exit_code = WEXITSTATUS(wait_status);
	else
		keeper->status.exit_signal = WTERMSIG(wait_status);
}

/* True when there is nothing more to learn. */
static bool learn_exit(struct keeper *keeper)
{
	struct pidfd_info_exit info = {.mask = PIDFD_INFO_EXIT_BIT};
	int wait_status;

	if (keeper->io.leader < 0)
		return true;
	/* Its parent may never reap it: the first process of many a container does not. */
	if (proc_zombie_status(keeper->status.pid, keeper->status.start_ticks, &wait_status)) {
		note_exit(keeper, wait_status);
		return true;
	}
	if (ioctl(keeper->io.leader, PIDFD_GET_INFO_NUMBER, &info) < 0)
		return true;
	if (!(info.mask & PIDFD_INFO_EXIT_BIT))
		return clock_mono_ms() >= keeper->exit_known_by_ms;
	note_exit(keeper, info.exit_code);
	return true;
}

void keeper_look_after_adopted(struct keeper *keeper, bool has_leader_ended)
{
	if (has_leader_ended && !keeper->is_leader_gone) {
		leader_is_gone(keeper);
		keeper_end_rest(keeper);
	}
	if (!keeper->is_leader_gone || clock_mono_ms() < keeper->next_look_ms)
		return;
	keeper->next_look_ms = clock_mono_ms() + LOOK_MS;
	if (!keeper->is_exit_learned)
		keeper->is_exit_learned = learn_exit(keeper);
	keeper->is_tree_gone = keeper->is_exit_learned && tree_is_empty(&keeper->marks) &&
	                       run_cgroup_is_empty(&keeper->cgroup);
}
