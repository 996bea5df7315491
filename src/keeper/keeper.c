#include "keeper/keeper.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/testing.h"
#include "keeper/launch.h"
#include "keeper/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SWEEP_FIRST_MS 20
#define SWEEP_LAST_MS  1000
#define DISK_RETRY_MS  1000
#define READS_AT_ONCE  16
#define TERMINAL_READS 64

static int open_signals(struct keeper *keeper, struct error *err)
{
	struct sigaction quiet = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP); /* read and ignored: nobody hangs up on a keeper */
	sigaddset(&set, SIGPIPE);
	sigaction(SIGCHLD, &quiet, NULL);
	sigprocmask(SIG_SETMASK, &set, NULL);
	keeper->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (keeper->signal_fd < 0)
		return error_errno(err, errno, "signalfd");
	return 0;
}

static int open_socket(struct keeper *keeper, struct error *err)
{
	const char *path = keeper->spec->socket;
	cleanup_close int fd = -1, dir = -1;
	struct sockaddr_un addr;

	if (keeper_socket_address(path, &addr, &dir, err) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "socket");
	/* We hold the log's lock, so the keeper that left a socket here is gone. */
	(void)unlink(path);
	if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod(path, 0600) < 0 || listen(fd, KEEPER_CLIENTS_MAX) < 0)
		return error_errno(err, errno, "%s", path);
	keeper->listen_fd = take_fd(fd);
	return 0;
}

static int open_notify(struct keeper *keeper, struct error *err)
{
	if (keeper->spec->notify)
		keeper->notify_fd = notify_open(keeper->spec->notify,
		                                keeper->spec->notify_shared ? 0666 : 0600, err);
	return keeper->spec->notify && keeper->notify_fd < 0 ? -1 : 0;
}

/* Without what the keeper before held there is no reason to take over: the daemon ends the tree. */
static int open_program_io(struct keeper *keeper, int passed, struct error *err)
{
	const struct keeper_spec *spec = keeper->spec;

	if (spec->adopt_pid == 0)
		return program_io_open(&keeper->io, spec, err);
	if (!program_io_adopt(&keeper->io, spec, passed))
		return error_set(err, EINVAL, "the output of the service was not passed on");
	spool_recover(&keeper->io.spool, &keeper->log);
	return 0;
}

int keeper_open(struct keeper *keeper, const struct keeper_spec *spec, int passed,
                struct error *err)
{
	*keeper = (struct keeper){
		.spec = spec,
		.log = LOG_WRITER_INIT,
		.io = PROGRAM_IO_INIT,
		.signal_fd = -1,
		.listen_fd = -1,
		.notify_fd = -1,
		.run_mark = keeper_run_mark(spec),
		.cgroup = RUN_CGROUP_INIT,
		.status = {.state = KEEPER_STARTING,
	                   .run = spec->run,
	                   .exit_code = -1,
	                   .tty = spec->tty,
	                   .has_stdin = spec->has_stdin && !spec->tty},
	};
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "become a subreaper");
	if (tree_check(err) < 0 || open_signals(keeper, err) < 0 ||
	    log_writer_open(&keeper->log, spec->log_dir, spec->segment_bytes, spec->segment_count,
	                    spec->run, err) < 0 ||
	    open_program_io(keeper, passed, err) < 0 || open_notify(keeper, err) < 0 ||
	    open_socket(keeper, err) < 0)
		return -1;
	spool_keep(&keeper->io.spool, &keeper->log);
	if (spec->has_cgroup)
		run_cgroup_open(&keeper->cgroup, keeper->run_mark, spec->adopt_pid > 0);
	return 0;
}

static void close_sockets(struct keeper *keeper)
{
	if (keeper->notify_fd >= 0)
		unlink(keeper->spec->notify);
	close_fd(&keeper->notify_fd);
	keeper->notify_fd = -1;
	if (keeper->listen_fd >= 0)
		unlink(keeper->spec->socket);
	close_fd(&keeper->listen_fd);
	keeper->listen_fd = -1;
}

void keeper_release(struct keeper *keeper)
{
	close_sockets(keeper);
	for (size_t i = 0; i < keeper->client_count; i++)
		close(keeper->clients[i].fd);
	program_io_release(&keeper->io);
	close_fd(&keeper->signal_fd);
	free(keeper->run_mark);
	run_cgroup_release(&keeper->cgroup);
	array_release(&keeper->killed.ids);
	log_writer_release(&keeper->log);
}

static void tell_state(struct keeper *keeper, enum keeper_state state)
{
	keeper->status.state = state;
	keeper_tell(keeper);
}

/* The service's environment, and what only its keeper knows. */
static void make_env(const struct keeper *keeper, struct strv *env)
{
	const struct keeper_spec *spec = keeper->spec;

	strv_copy(env, &spec->env);
	strv_env_set(env, KEEPER_RUN_VARIABLE, keeper->run_mark);
	/* Another manager's socket, which ours may have inherited, is not for the service. */
	strv_env_unset(env, "NOTIFY_SOCKET");
	if (spec->notify)
		strv_env_set(env, "NOTIFY_SOCKET", spec->notify);
	if (spec->tty && !strv_env_get(env, "TERM"))
		strv_env_set(env, "TERM", "xterm-256color");
}

static pid_t launch_args(struct keeper *keeper, const struct strv *args, bool is_service,
                         struct error *err)
{
	cleanup(strv_release) struct strv env = STRV_INIT;
	const struct keeper_spec *spec = keeper->spec;
	cleanup_close int entrance = run_cgroup_entrance(&keeper->cgroup);
	struct launch launch = {
		.argv = args->items,
		.cwd = spec->cwd,
		.in = is_service ? keeper->io.program_input : -1,
		.out = keeper->io.program_ends[0],
		.err = keeper->io.program_ends[1],
		.cgroup = entrance,
		.has_terminal = is_service && keeper->io.is_tty,
	};

	make_env(keeper, &env);
	launch.env = env.items;
	return launch_program(&launch, err);
}

/* As a shell says it: 127 when the program is not there, 126 when it cannot be run. */
static void fail_to_start(struct keeper *keeper, const struct error *failure)
{
	keeper->status.exit_code = failure->code == ENOENT ? 127 : 126;
	keeper->is_leader_gone = keeper->is_tree_gone = true;
	log_writer_event(&keeper->log, "event=fail\nerrno=%d\ntext=%s\n", failure->code,
	                 failure->text);
}

static void start_program(struct keeper *keeper)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct proc_stat stat;
	pid_t pid;

	log_writer_tick(&keeper->log);
	keeper->started_ms = clock_mono_ms();
	keeper->status.started_real_ns = clock_real_ns();
	pid = launch_args(keeper, &keeper->spec->args, true, &err);
	if (pid < 0) {
		fail_to_start(keeper, &err);
		return;
	}
	fault_point("keeper.after_fork");
	keeper->status.pid = pid;
	keeper->io.leader = proc_pidfd_open(pid, &err);
	if (proc_read_stat(pid, &stat, &err) == 0)
		keeper->status.start_ticks = stat.start_ticks;
	log_writer_event(&keeper->log, "event=start\npid=%d\n", (int)pid);
	tell_state(keeper, KEEPER_RUNNING);
}

void keeper_signal_all(struct keeper *keeper, int signo)
{
	/* While the leader is not reaped nobody else can have its number, or its group's. */
	pid_t own = keeper->is_adopted || keeper->is_leader_gone ? 0 : keeper->status.pid;

	if (!keeper->spec->signals_leader || keeper->is_leader_gone)
		tree_signal(keeper_marks(keeper), signo, own);
	else if (keeper->is_adopted)
		(void)syscall(SYS_pidfd_send_signal, keeper->io.leader, signo, NULL, 0);
	else
		(void)kill(own, signo);
}

static void ask_to_end(struct keeper *keeper)
{
	keeper_signal_all(keeper, keeper->spec->stop_signal);
	/* A stopped process takes no signal before it goes on. */
	keeper_signal_all(keeper, SIGCONT);
}

static void begin_grace(struct keeper *keeper)
{
	keeper->phase = PHASE_GRACE;
	keeper->deadline_ms = clock_mono_ms() + keeper->spec->stop_timeout_ms;
}

void keeper_begin_stop(struct keeper *keeper)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (keeper->is_stop_requested || keeper->is_tree_gone)
		return;
	keeper->is_stop_requested = true;
	log_writer_tick(&keeper->log);
	log_writer_event(&keeper->log, "event=stop\n");
	if (keeper->phase != PHASE_RUNNING)
		return;
	begin_grace(keeper);
	if (keeper->spec->stop_args.len > 0) {
		keeper->stop_pid = launch_args(keeper, &keeper->spec->stop_args, false, &err);
		if (keeper->stop_pid < 0) {
			log_writer_event(&keeper->log, "event=fail\nerrno=%d\ntext=%s\n", err.code,
			                 err.text);
			keeper->stop_pid = 0;
		}
	}
	if (keeper->stop_pid == 0)
		ask_to_end(keeper);
	tell_state(keeper, KEEPER_STOPPING);
}

static void sweep(struct keeper *keeper)
{
	run_cgroup_kill(&keeper->cgroup, &keeper->killed);
	tree_kill(keeper_marks(keeper), &keeper->killed);
	keeper->status.killed_count = (uint32_t)keeper->killed.ids.len;
	keeper->next_sweep_ms = clock_mono_ms() + keeper->sweep_delay_ms;
	keeper->sweep_delay_ms *= 2;
	if (keeper->sweep_delay_ms > SWEEP_LAST_MS)
		keeper->sweep_delay_ms = SWEEP_LAST_MS;
}

static void begin_killing(struct keeper *keeper)
{
	if (keeper->phase == PHASE_KILLING || keeper->is_tree_gone)
		return;
	keeper->phase = PHASE_KILLING;
	keeper->status.killed = true;
	keeper->sweep_delay_ms = SWEEP_FIRST_MS;
	sweep(keeper);
	tell_state(keeper, KEEPER_STOPPING);
}

void keeper_begin_kill(struct keeper *keeper)
{
	keeper->is_stop_requested = true;
	begin_killing(keeper);
}

static void leader_ended(struct keeper *keeper, const siginfo_t *info)
{
	keeper->is_leader_gone = true;
	if (info->si_code == CLD_EXITED)
		keeper->status.exit_code = info->si_status;
	else
		keeper->status.exit_signal = info->si_status;
}

/* Those that are left are told now, unless they were told together with the leader. */
void keeper_end_rest(struct keeper *keeper)
{
	bool was_told_alone = keeper->spec->stop_args.len > 0 || keeper->spec->signals_leader;

	if (keeper->phase == PHASE_RUNNING) {
		begin_grace(keeper);
		ask_to_end(keeper);
		tell_state(keeper, KEEPER_STOPPING);
	} else if (keeper->phase == PHASE_GRACE && was_told_alone) {
		ask_to_end(keeper);
	}
}

static void reap(struct keeper *keeper)
{
	bool was_leader_gone = keeper->is_leader_gone;
	bool has_stop_failed = false;

	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0) {
			keeper->is_tree_gone = errno == ECHILD && !keeper->is_adopted;
			break;
		}
		if (info.si_pid == 0)
			break;
		if (info.si_pid == keeper->status.pid && !keeper->is_leader_gone)
			leader_ended(keeper, &info);
		if (info.si_pid == keeper->stop_pid) {
			keeper->stop_pid = 0;
			has_stop_failed = info.si_code != CLD_EXITED || info.si_status != 0;
		}
	}
	if (keeper->is_tree_gone)
		return;
	if (keeper->is_leader_gone && !was_leader_gone)
		keeper_end_rest(keeper);
	else if (keeper->phase == PHASE_GRACE && has_stop_failed)
		ask_to_end(keeper);
}

static void read_signals(struct keeper *keeper)
{
	struct signalfd_siginfo info;

	while (read(keeper->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			keeper_begin_stop(keeper);
	reap(keeper);
}

static void run_timers(struct keeper *keeper)
{
	int64_t now = clock_mono_ms();

	for (int i = 0; i < 2; i++)
		capture_idle(&keeper->io.captures[i], &keeper->log, now);
	if (keeper->status.log_full && now >= keeper->next_drops_ms)
		log_writer_retry(&keeper->log);
	keeper_check_watchdog(keeper, now);
	if (keeper->phase == PHASE_GRACE && now >= keeper->deadline_ms)
		begin_killing(keeper);
	else if (keeper->phase == PHASE_KILLING && now >= keeper->next_sweep_ms)
		sweep(keeper);
}

static int poll_timeout(const struct keeper *keeper)
{
	const struct capture *captures = keeper->io.captures;
	int64_t now = clock_mono_ms(), next = INT64_MAX;

	for (int i = 0; i < 2; i++)
		if (captures[i].idle_at_ms && captures[i].idle_at_ms < next)
			next = captures[i].idle_at_ms;
	if (keeper->watchdog_at_ms && keeper->watchdog_at_ms < next)
		next = keeper->watchdog_at_ms;
	if (keeper->phase == PHASE_GRACE && keeper->deadline_ms < next)
		next = keeper->deadline_ms;
	if (keeper->phase == PHASE_KILLING && keeper->next_sweep_ms < next)
		next = keeper->next_sweep_ms;
	if (keeper->is_adopted && keeper->is_leader_gone && keeper->next_look_ms < next)
		next = keeper->next_look_ms;
	if (keeper->status.log_full && keeper->next_drops_ms < next)
		next = keeper->next_drops_ms;
	if (next == INT64_MAX)
		return -1;
	if (next <= now)
		return 0;
	return next - now > INT32_MAX ? INT32_MAX : (int)(next - now);
}

enum polled {
	POLL_SIGNAL,
	POLL_LISTEN,
	POLL_NOTIFY,
	POLL_LEADER,
	POLL_INPUT,
	POLL_TERMINAL,
	POLL_OUTPUT,
	POLL_CLIENT = POLL_OUTPUT + 2
};

static nfds_t fill_polled(const struct keeper *keeper, struct pollfd *fds)
{
	const struct program_io *io = &keeper->io;
	nfds_t count = POLL_CLIENT;

	fds[POLL_SIGNAL] = (struct pollfd){.fd = keeper->signal_fd, .events = POLLIN};
	fds[POLL_LISTEN] = (struct pollfd){.fd = keeper->listen_fd, .events = POLLIN};
	fds[POLL_NOTIFY] = (struct pollfd){.fd = keeper->notify_fd, .events = POLLIN};
	fds[POLL_LEADER] = (struct pollfd){.fd = -1, .events = POLLIN};
	if (keeper->is_adopted && !keeper->is_leader_gone)
		fds[POLL_LEADER].fd = io->leader;
	fds[POLL_INPUT] = (struct pollfd){.fd = -1, .events = POLLOUT};
	if (program_io_is_pending(io))
		fds[POLL_INPUT].fd = io->input;
	fds[POLL_TERMINAL] = (struct pollfd){.fd = -1, .events = POLLIN};
	if (io->relay >= 0 && !io->is_hung_up)
		fds[POLL_TERMINAL].fd = io->input;
	for (int i = 0; i < 2; i++)
		fds[POLL_OUTPUT + i] = (struct pollfd){
			.fd = io->captures[i].is_over ? -1 : io->captures[i].fd, .events = POLLIN};
	for (size_t i = 0; i < keeper->client_count; i++) {
		/* Who writes has to wait until the program has taken what came before. */
		bool is_held = keeper->clients[i].is_writer && program_io_is_pending(io);

		fds[count++] = (struct pollfd){.fd = is_held ? -1 : keeper->clients[i].fd,
		                               .events = POLLIN};
	}
	return count;
}

static void write_down(struct keeper *keeper)
{
	log_writer_flush(&keeper->log);
	spool_keep(&keeper->io.spool, &keeper->log);
}

/* While more comes there is no need to wait for it, but others have a turn, too. */
static void read_output(struct keeper *keeper, struct capture *capture)
{
	for (int i = 0; i < READS_AT_ONCE; i++) {
		(void)program_io_pull(&keeper->io);
		if (!capture_read(capture, &keeper->log))
			break;
		write_down(keeper);
		log_writer_tick(&keeper->log);
	}
}

/* Of a terminal that somebody outside the tree holds, no more than it keeps for its reader. */
static void read_last(struct keeper *keeper)
{
	for (int i = 0; i < TERMINAL_READS && program_io_pull(&keeper->io); i++)
		while (capture_read(&keeper->io.captures[0], &keeper->log))
			write_down(keeper);
	for (int i = 0; i < 2; i++)
		capture_finish(&keeper->io.captures[i], &keeper->log);
}

/* Waits for something and handles it. */
static void turn(struct keeper *keeper, int timeout_ms)
{
	struct pollfd fds[POLL_CLIENT + KEEPER_CLIENTS_MAX];
	nfds_t count = fill_polled(keeper, fds);

	if (poll(fds, count, timeout_ms) < 0)
		return;
	log_writer_tick(&keeper->log);
	for (int i = 0; i < 2; i++)
		if (fds[POLL_OUTPUT + i].revents || (i == 0 && fds[POLL_TERMINAL].revents))
			read_output(keeper, &keeper->io.captures[i]);
	/* Before children are reaped: a sender that has ended must still be there. */
	if (fds[POLL_NOTIFY].revents || fds[POLL_SIGNAL].revents)
		keeper_hear(keeper);
	if (fds[POLL_SIGNAL].revents)
		read_signals(keeper);
	if (keeper->is_adopted)
		keeper_look_after_adopted(keeper, fds[POLL_LEADER].revents != 0);
	if (fds[POLL_INPUT].revents)
		program_io_flush(&keeper->io);
	/* Backwards, and by descriptor: a client that goes moves the last one to its place. */
	for (size_t i = keeper->client_count; i-- > 0;)
		if (fds[POLL_CLIENT + i].revents &&
		    keeper->clients[i].fd == fds[POLL_CLIENT + i].fd)
			keeper_serve(keeper, &keeper->clients[i]);
	if (fds[POLL_LISTEN].revents)
		keeper_accept(keeper);
}

static bool has_subscriber(const struct keeper *keeper)
{
	for (size_t i = 0; i < keeper->client_count; i++)
		if (keeper->clients[i].is_subscribed)
			return true;
	return false;
}

static char *exit_event(const struct keeper *keeper)
{
	return xasprintf("event=exit\ncode=%d\nsignal=%d\nkilled=%d\n"
	                 "killed_count=%" PRIu32 "\nrequested=%d\nrun_ms=%" PRId64 "\n",
	                 keeper->status.exit_code, keeper->status.exit_signal,
	                 keeper->status.killed, keeper->status.killed_count,
	                 keeper->is_stop_requested, clock_mono_ms() - keeper->started_ms);
}

static void finish(struct keeper *keeper)
{
	cleanup_free char *event = exit_event(keeper);

	log_writer_tick(&keeper->log);
	read_last(keeper);
	keeper_hear(keeper);
	keeper->status.state = KEEPER_EXITED;
	fault_point("keeper.tree_gone");
	/* The status must be somewhere before we go: on the disk, or else with a client. */
	while (!log_writer_finish(&keeper->log, event) && !has_subscriber(keeper) &&
	       !log_writer_is_removed(&keeper->log)) {
		turn(keeper, DISK_RETRY_MS);
		write_down(keeper);
	}
	run_cgroup_remove(&keeper->cgroup);
	/* Whoever hears of the end may start the next keeper at once: leave it the place. */
	fault_point("keeper.exit_recorded");
	close_sockets(keeper);
	log_writer_close(&keeper->log);
	keeper_tell(keeper);
}

/* A full disk is told when it is met, each second while it lasts, and when it ends. */
static void tell_drops(struct keeper *keeper)
{
	bool is_full = log_writer_is_full(&keeper->log);

	if (!is_full && !keeper->status.log_full)
		return;
	if (is_full && keeper->status.log_full && clock_mono_ms() < keeper->next_drops_ms)
		return;
	keeper->status.log_full = is_full;
	keeper->next_drops_ms = clock_mono_ms() + DISK_RETRY_MS;
	keeper_tell(keeper);
}

void keeper_run(struct keeper *keeper)
{
	if (keeper->spec->adopt_pid > 0)
		keeper_adopt(keeper);
	else
		start_program(keeper);
	write_down(keeper);
	while (!keeper->is_tree_gone) {
		turn(keeper, poll_timeout(keeper));
		run_timers(keeper);
		write_down(keeper);
		tell_drops(keeper);
	}
	finish(keeper);
}
