#include "daemon/daemon_main.h"

#include "api/no_room.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "base/version.h"
#include "daemon/daemon.h"
#include "loop/loop.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#define RUNNING_LOCK_MS       3000
#define RUNNING_LOCK_AGAIN_MS 10
#define HOLDER_MAX            8192

struct options {
	const char *sandbox;
	int ready_fd, lock_fd;
};

static int parse_fd(const char *text, int *ret, struct error *err)
{
	int64_t value;

	if (str_to_int(text, 3, 1 << 20, &value, err) < 0)
		return -1;
	*ret = (int)value;
	return fd_set_cloexec(*ret, true, err);
}

static int parse_options(int argc, char **argv, struct options *options, struct error *err)
{
	static const struct option known[] = {
		{"sandbox", required_argument, NULL, 's'},
		{"ready-fd", required_argument, NULL, 'r'},
		{"lock-fd", required_argument, NULL, 'l'},
		{0},
	};
	int option, result = 0;

	opterr = 0;
	while (result == 0 && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 's')
			options->sandbox = optarg;
		else if (option == 'r')
			result = parse_fd(optarg, &options->ready_fd, err);
		else if (option == 'l')
			result = parse_fd(optarg, &options->lock_fd, err);
		else
			result = error_set(err, ERR_USAGE, "unknown option: %s", argv[optind - 1]);
	}
	if (result == 0 && optind < argc)
		return error_set(err, ERR_USAGE, "unexpected: %s", argv[optind]);
	return result;
}

/*
 * A daemon that was killed is heard of (its socket closes) a moment before its lock is
 * free: the kernel closes its descriptors one by one.  Nothing tells when a lock is.
 */
static int take_running_lock(const char *path, struct error *err)
{
	int64_t deadline_ms = clock_mono_ms() + RUNNING_LOCK_MS;

	for (;;) {
		int fd = fs_lock(path, false, err);

		if (fd >= 0 || err->code != EWOULDBLOCK || clock_mono_ms() >= deadline_ms)
			return fd;
		error_release(err);
		*err = (struct error)ERROR_INIT;
		(void)poll(NULL, 0, RUNNING_LOCK_AGAIN_MS);
	}
}

/* Who has the lock, as he wrote it there: "<pid> <run directory>". */
static int name_holder(const char *path, const struct paths *paths, struct error *err)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	char *run;

	if (fs_read_file(path, HOLDER_MAX, &text, &ignored) < 0 || !(run = strchr(text.buf, ' ')))
		return error_hint(err, "a daemon is running already, perhaps one of a shell with "
		                       "another XDG_RUNTIME_DIR");
	*run++ = '\0';
	run[strcspn(run, "\n")] = '\0';
	error_release(err);
	*err = (struct error)ERROR_INIT;
	error_set(err, ERR_DAEMON, "the one of %s is process %s; it serves %s, and not %s",
	          paths->state, text.buf, run, paths->run);
	return error_hint(err,
	                  "set XDG_RUNTIME_DIR as in the shell that started it, or end it: "
	                  "kill %s (services go on)",
	                  text.buf);
}

/* On a full disk it may not be noted: then name_holder() says less. */
static void note_holder(int lock, const char *path, const struct paths *paths)
{
	cleanup_free char *text = xasprintf("%d %s\n", (int)getpid(), paths->run);
	ssize_t n = pwrite(lock, text, strlen(text), 0);

	if (n < 0 || ftruncate(lock, n) < 0)
		log_warn("%s: %s", path, strerror(errno));
}

/*
 * Two locks: daemon.lock in the run directory while somebody starts, handed on by
 * the starter, and daemon.running in the state directory for as long as there is a
 * daemon: the database is for one, even where two shells disagree on the run directory.
 */
static int take_locks(struct daemon *daemon, struct options *options, struct error *err)
{
	cleanup_free char *starting = paths_daemon_lock(&daemon->paths);
	cleanup_free char *running = path_join(daemon->paths.state, "daemon.running");

	if (options->lock_fd < 0)
		options->lock_fd = fs_lock(starting, false, err);
	if (options->lock_fd < 0)
		return error_hint(err, "a daemon is starting already");
	daemon->running_lock = take_running_lock(running, err);
	if (daemon->running_lock < 0)
		return err->code == EWOULDBLOCK ? name_holder(running, &daemon->paths, err)
		                                : no_room_explain(err, running);
	note_holder(daemon->running_lock, running, &daemon->paths);
	return 0;
}

static void tell_starter(struct options *options, const struct error *failure)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *text = failure ? xasprintf("error %s\t%s\n", failure->text,
	                                              failure->hint ? failure->hint : "")
	                                  : xstrdup("ready\n");

	if (options->ready_fd < 0)
		return;
	if (fd_write_all(options->ready_fd, text, strlen(text), &err) < 0)
		log_warn("the starter has gone: %s", err.text);
	close(take_fd(options->ready_fd));
}

static int run(struct daemon *daemon, struct options *options, struct error *err)
{
	if (paths_create(&daemon->paths, err) < 0 || take_locks(daemon, options, err) < 0)
		return -1;
	daemon->jobs.loop = daemon->loop = loop_new(err);
	if (!daemon->loop || daemon_init(daemon, err) < 0 || daemon_serve(daemon, err) < 0)
		return -1;
	/* Whoever comes now connects; the lock is for those who start. */
	close(take_fd(options->lock_fd));
	log_info("locald %s serves %s", locald_version, daemon->paths.run);
	tell_starter(options, NULL);
	/* A signal may have come while the services were being found. */
	return daemon->is_leaving ? 0 : loop_run(daemon->loop, err);
}

int daemon_main(int argc, char **argv)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct options options = {.ready_fd = -1, .lock_fd = -1};
	struct daemon daemon = {.paths = PATHS_INIT, .running_lock = -1};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	int code;

	log_init("locald", LOG_INFO);
	umask(077);
	sigaction(SIGPIPE, &ignore, NULL);
	code = parse_options(argc, argv, &options, &err);
	if (code == 0)
		code = paths_init(&daemon.paths, options.sandbox, &err);
	if (code == 0)
		code = run(&daemon, &options, &err);
	if (code < 0) {
		log_err("%s", err.text);
		tell_starter(&options, &err);
		code = error_exit_code(err.code);
	}
	if (daemon.loop)
		daemon_release(&daemon);
	loop_free(daemon.loop);
	paths_release(&daemon.paths);
	close_fd(&options.lock_fd);
	close_fd(&daemon.running_lock);
	return code;
}
