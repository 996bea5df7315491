#include "service/keeper_client.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/testing.h"
#include "keeper/run_cgroup.h"
#include "keeper/tree.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "service/held_ends.h"
#include "service/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>

/* A keeper that has been started but does not listen yet is given so long. */
#define APPEAR_MS       5000
#define APPEAR_RETRY_MS 50
/* One whose daemon died may not even have been started: so long is its spec left to it. */
#define SPEC_LEFT_MS 250

#define KILL_SWEEPS   5
#define TAKEOVERS_MAX 5
#define END_WAIT_MS   100

struct keeper {
	struct loop *loop;
	const struct keeper_events *events;
	void *data;
	char *path; /* the program */
	char *socket, *spec_path, *log_dir;
	uint32_t run;
	struct loop_source *child, *connection, *timer;
	int stderr_fd, fd;
	int64_t appear_until_ms;
	int64_t take_spec_at_ms; /* of an adoption; 0: the spec is not ours to take */
	bool has_taken_spec;     /* so no keeper starts this run any more */
	enum keeper_op pending;  /* KEEPER_STOP or KEEPER_KILL, also for a keeper that takes over */
	bool has_pending;
	pid_t pid;
	struct keeper_status last;
	bool has_last;
	struct held_ends held;
	bool has_asked_again; /* for a status without descriptors */
	int takeovers;        /* keepers that were lost since one has said a word */
};

static struct keeper *make(struct loop *loop, const char *path, const struct keeper_spec *spec,
                           const struct keeper_events *events, void *data)
{
	struct keeper *keeper = xcalloc(1, sizeof(*keeper));
	size_t stem = strlen(spec->socket) - (str_ends(spec->socket, ".sock") ? 5 : 0);

	keeper->loop = loop;
	keeper->events = events;
	keeper->data = data;
	keeper->path = xstrdup(path);
	keeper->socket = xstrdup(spec->socket);
	keeper->spec_path = xasprintf("%.*s.spec", (int)stem, spec->socket);
	keeper->log_dir = xstrdup(spec->log_dir);
	keeper->run = spec->run;
	keeper->stderr_fd = keeper->fd = -1;
	return keeper;
}

void keeper_client_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	loop_source_free(keeper->child);
	loop_source_free(keeper->connection);
	loop_source_free(keeper->timer);
	close_fd(&keeper->stderr_fd);
	close_fd(&keeper->fd);
	held_ends_release(&keeper->held);
	free(keeper->path);
	free(keeper->socket);
	free(keeper->spec_path);
	free(keeper->log_dir);
	free(keeper);
}

static void freep_keeper(struct keeper **keeper)
{
	keeper_client_free(*keeper);
}

static bool is_log_locked(const struct keeper *keeper);

/* A keeper that was killed leaves its sockets behind; one that lives holds its log's lock. */
static void remove_sockets(const struct keeper *keeper)
{
	size_t stem = strlen(keeper->spec_path) - strlen(".spec");
	cleanup_free char *notify = xasprintf("%.*s.notify", (int)stem, keeper->spec_path);

	if (is_log_locked(keeper))
		return;
	(void)unlink(keeper->socket);
	(void)unlink(notify);
}

/*
 * A spec that is still there was taken by no keeper, and whoever removes it first has the run: a
 * keeper that comes too late gives up.
 */
static bool take_spec(struct keeper *keeper)
{
	if (keeper->take_spec_at_ms > 0 && clock_mono_ms() >= keeper->take_spec_at_ms)
		keeper->has_taken_spec |= unlink(keeper->spec_path) == 0;
	return keeper->has_taken_spec;
}

/*
 * Nobody watches or logs the service any more, and the next run must not meet it.  More than one
 * sweep is for a tree that forks meanwhile.
 */
static void kill_tree(const struct keeper *keeper, const char *mark,
                      const struct run_cgroup *cgroup)
{
	struct tree_marks marks = tree_marks_of(mark, keeper->has_last ? keeper->last.pid : 0,
	                                        keeper->last.start_ticks);
	struct tree_killed killed = {0};

	run_cgroup_kill(cgroup, &killed);
	for (int i = 0; i < KILL_SWEEPS && !tree_is_empty(&marks); i++)
		tree_kill(&marks, &killed);
	/* Who has been killed is in it until he has ended: at once, but not before. */
	for (int i = 0; i < END_WAIT_MS && !run_cgroup_is_empty(cgroup); i++)
		(void)poll(NULL, 0, 1);
	array_release(&killed.ids);
}

/* The cgroup is left by a keeper that was killed: before the start, too, or with the end known. */
static void clear_up(const struct keeper *keeper, bool is_tree_gone)
{
	cleanup_free char *mark = xasprintf("%s/%" PRIu32, keeper->log_dir, keeper->run);
	struct run_cgroup cgroup = RUN_CGROUP_INIT;

	run_cgroup_open(&cgroup, mark, true);
	if (!is_tree_gone) {
		kill_tree(keeper, mark, &cgroup);
		remove_sockets(keeper);
	}
	run_cgroup_remove(&cgroup);
}

/* The end, as the log or else the last status knows it. */
static void tell_gone(struct keeper *keeper)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct service_exit exit = {.code = -1, .never_began = keeper->has_taken_spec};
	struct log_exit recorded;
	bool is_tree_gone = true;

	if (log_find_exit(keeper->log_dir, keeper->run, &recorded, &err) == 1) {
		exit = (struct service_exit){
			.is_known = recorded.code >= 0 || recorded.signal > 0,
			.code = recorded.code,
			.signal = recorded.signal,
			.killed = recorded.killed,
			.requested = recorded.requested,
			.killed_count = recorded.killed_count,
			.run_ms = recorded.run_ms,
			.ago_ms = recorded.ago_ms,
		};
	} else if (keeper->has_last && keeper->last.state == KEEPER_EXITED) {
		exit = (struct service_exit){
			.is_known = keeper->last.exit_code >= 0 || keeper->last.exit_signal > 0,
			.code = keeper->last.exit_code,
			.signal = keeper->last.exit_signal,
			.killed = keeper->last.killed,
			.killed_count = (int)keeper->last.killed_count,
			.run_ms = proc_age_ms(keeper->last.start_ticks),
		};
	} else {
		is_tree_gone = false;
	}
	clear_up(keeper, is_tree_gone);
	fault_point("keeper.gone");
	keeper->events->on_gone(&exit, NULL, keeper->data);
}

static void send_op(struct keeper *keeper, enum keeper_op op)
{
	struct keeper_packet packet = {.op = op, .hold = op == KEEPER_SUBSCRIBE};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	keeper_packet_encode(&packet, &text);
	/* When this fails the keeper is gone, and the end of the connection is about to say so. */
	(void)!send(keeper->fd, text.buf, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

enum heard { HEARD_NOTHING, HEARD_STATUS, HEARD_END };

static enum heard receive(struct keeper *keeper)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct keeper_packet packet;
	char buf[KEEPER_PACKET_MAX];
	ssize_t n = held_ends_receive(&keeper->held, keeper->fd, buf, sizeof(buf));

	if (n < 0 && errno == EAGAIN)
		return HEARD_NOTHING;
	if (n < 0 && errno == EMSGSIZE && !keeper->has_asked_again) {
		/* There was no room for what came along. */
		keeper->has_asked_again = true;
		send_op(keeper, KEEPER_SUBSCRIBE);
		return HEARD_NOTHING;
	}
	if (n <= 0)
		return HEARD_END;
	if (keeper_packet_decode(buf, (size_t)n, &packet, &err) < 0 || packet.op != KEEPER_STATUS)
		return packet.op == KEEPER_ERROR ? HEARD_END : HEARD_NOTHING;
	keeper->last = packet.status;
	keeper->has_last = true;
	keeper->takeovers = 0;
	keeper->run = packet.status.run;
	return packet.status.state == KEEPER_EXITED ? HEARD_END : HEARD_STATUS;
}

static void look(struct loop_source *source, void *data);

/*
 * Nothing comes any more.  The keeper may have let go of us, and then listens; it may be on its
 * way out; or it was lost.
 */
static void lose_connection(struct keeper *keeper)
{
	loop_source_free(take_ptr(keeper->connection));
	close_fd(&keeper->fd);
	keeper->fd = -1;
	if (keeper->last.state == KEEPER_EXITED) {
		tell_gone(keeper);
		return;
	}
	keeper->appear_until_ms = clock_mono_ms() + APPEAR_MS;
	loop_source_free(keeper->timer);
	keeper->timer = loop_add_timer(keeper->loop, 0, look, keeper);
}

/* One packet a call: the callback may free us, and the loop comes back for the others. */
static void on_readable(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct keeper *keeper = data;
	enum heard heard = receive(keeper);

	if (heard == HEARD_END)
		lose_connection(keeper);
	else if (heard == HEARD_STATUS)
		keeper->events->on_status(&keeper->last, keeper->pid, keeper->data);
}

static int connect_socket(struct keeper *keeper, struct error *err)
{
	cleanup_close int dir = -1, fd = -1;
	struct sockaddr_un addr;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (keeper_socket_address(keeper->socket, &addr, &dir, err) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return error_errno(err, errno, "%s", keeper->socket);
	if (loop_add_fd(keeper->loop, fd, LOOP_READ, on_readable, keeper, &keeper->connection,
	                err) < 0)
		return -1;
	keeper->pid = peer.pid;
	keeper->fd = take_fd(fd);
	fault_point("keeper.connected");
	keeper->has_asked_again = false;
	send_op(keeper, KEEPER_SUBSCRIBE);
	if (keeper->has_pending)
		send_op(keeper, keeper->pending);
	return 0;
}

/* A keeper holds its log's lock as long as it lives. */
static bool is_log_locked(const struct keeper *keeper)
{
	cleanup_close int dir = open(keeper->log_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 && flock(dir, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/*
 * Nobody listens.  A keeper that removes its spec has the lock by then, so a spec or a
 * lock means that one is about to listen, or is on its way out.
 */
static bool may_appear(struct keeper *keeper)
{
	if (clock_mono_ms() < keeper->appear_until_ms)
		return fs_exists(keeper->spec_path) || is_log_locked(keeper);
	/* Without its spec it will not start any more, should it still come. */
	(void)unlink(keeper->spec_path);
	return false;
}

static bool has_exit_record(const struct keeper *keeper)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct log_exit recorded;

	return log_find_exit(keeper->log_dir, keeper->run, &recorded, &err) == 1;
}

static void on_started(struct loop_source *source, const siginfo_t *info, void *data)
{
	struct keeper *keeper = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	char text[1024];
	ssize_t n;

	if (info->si_code == CLD_EXITED && info->si_status == 0) {
		keeper->appear_until_ms = clock_mono_ms() + APPEAR_MS;
		loop_source_free(keeper->timer);
		keeper->timer = loop_add_timer(keeper->loop, 0, look, keeper);
		return;
	}
	if (keeper->takeovers > 0) {
		/* It may have been killed, too: another one, or an end of it. */
		(void)unlink(keeper->spec_path);
		loop_timer_set(keeper->timer, 0);
		return;
	}
	n = read(keeper->stderr_fd, text, sizeof(text) - 1);
	if (n < 0)
		n = 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	error_set(&err, ERR_FAILED, "%s",
	          text[0] ? text : "the keeper could not be started, and did not say why");
	(void)unlink(keeper->spec_path);
	clear_up(keeper, true);
	keeper->events->on_gone(NULL, &err, keeper->data);
}

static int write_spec(const struct keeper *keeper, const struct keeper_spec *spec,
                      struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *dir = path_dir(keeper->spec_path);
	cleanup_close int fd = -1;
	int failure;

	keeper_spec_encode(spec, &text);
	if (text.len > KEEPER_SPEC_MAX)
		return error_set(err, E2BIG, "its environment is too large");
	if (fs_mkdirs_private(dir, err) < 0)
		return -1;
	/* No fsync: it is read at once, or never. */
	(void)unlink(keeper->spec_path);
	fd = open(keeper->spec_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_errno(err, errno, "%s", keeper->spec_path);
	failure = fault_errno("spec.write");
	if (failure)
		return error_errno(err, failure, "%s", keeper->spec_path);
	return fd_write_all(fd, text.buf, text.len, err);
}

static int spawn(struct keeper *keeper, struct error *err)
{
	const char *argv[] = {keeper->path, keeper->spec_path, NULL};
	cleanup_close int write_end = -1;
	struct child_fd fds[1 + FD_PASS_MAX];
	struct child_spec child = {
		.path = keeper->path,
		.argv = argv,
		.fds = fds,
		.nfds = 1 + held_ends_give(&keeper->held, fds + 1),
		.new_session = true,
	};
	int pipe_fds[2];
	pid_t pid;

	if (fd_pipe(pipe_fds, err) < 0)
		return -1;
	close_fd(&keeper->stderr_fd);
	keeper->stderr_fd = pipe_fds[0];
	write_end = pipe_fds[1];
	fds[0] = (struct child_fd){.from = write_end, .to = 2};
	if (fd_set_nonblock(keeper->stderr_fd, true, err) < 0)
		return -1;
	pid = child_spawn(&child, err);
	if (pid < 0)
		return -1;
	return loop_add_child(keeper->loop, pid, on_started, keeper, &keeper->child, err);
}

/* False when that is not to be: nothing was held, or those that took over were lost at once. */
static bool take_over(struct keeper *keeper)
{
	cleanup(keeper_spec_release) struct keeper_spec spec = {0};
	cleanup(error_release) struct error err = ERROR_INIT;

	if (!keeper->has_last || keeper->held.count == 0 || keeper->takeovers == TAKEOVERS_MAX)
		return false;
	keeper->takeovers++;
	loop_source_free(take_ptr(keeper->child));
	keeper->events->on_lost(&spec, keeper->data);
	spec.run = keeper->run;
	spec.adopt_pid = keeper->last.pid;
	spec.adopt_start_ticks = keeper->last.start_ticks;
	return write_spec(keeper, &spec, &err) == 0 && spawn(keeper, &err) == 0;
}

static void look(struct loop_source *source, void *data)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct keeper *keeper = data;

	if (connect_socket(keeper, &err) == 0)
		return;
	if (take_spec(keeper) && !is_log_locked(keeper)) {
		tell_gone(keeper);
		return;
	}
	/* With the record written its log may still be locked, and a next keeper be refused. */
	if (may_appear(keeper) && (!has_exit_record(keeper) || is_log_locked(keeper)))
		loop_timer_set(keeper->timer, APPEAR_RETRY_MS);
	else if (has_exit_record(keeper) || !take_over(keeper))
		tell_gone(keeper);
}

struct keeper *keeper_client_adopt(struct loop *loop, const char *keeper_path,
                                   const struct keeper_spec *spec,
                                   const struct keeper_events *events, void *data)
{
	struct keeper *keeper = make(loop, keeper_path, spec, events, data);

	keeper->appear_until_ms = clock_mono_ms() + APPEAR_MS;
	keeper->take_spec_at_ms = clock_mono_ms() + SPEC_LEFT_MS;
	keeper->timer = loop_add_timer(loop, 0, look, keeper);
	return keeper;
}

struct keeper *keeper_client_start(struct loop *loop, const char *keeper_path,
                                   const struct keeper_spec *spec,
                                   const struct keeper_events *events, void *data,
                                   struct error *err)
{
	cleanup(freep_keeper) struct keeper *keeper = make(loop, keeper_path, spec, events, data);

	if (write_spec(keeper, spec, err) < 0)
		return NULL;
	fault_point("spec.written");
	if (spawn(keeper, err) < 0) {
		(void)unlink(keeper->spec_path);
		return NULL;
	}
	fault_point("keeper.spawned");
	return take_ptr(keeper);
}

void keeper_client_command(struct keeper *keeper, enum keeper_op op)
{
	if (!keeper->has_pending || keeper->pending == KEEPER_STOP)
		keeper->pending = op;
	keeper->has_pending = true;
	if (!keeper->connection)
		return;
	send_op(keeper, op);
	fault_point("keeper.asked_to_stop");
}
