#include "proxy/site_main.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "net/listen.h"
#include "proxy/site.h"

#include <errno.h>
#include <signal.h>

struct runner {
	struct loop *loop;
	struct site *site;
	struct loop_source *signals[2];
};

static void on_signal(struct loop_source *source, int signo, void *data)
{
	struct runner *runner = data;

	loop_stop(runner->loop, 0);
}

static int run(struct runner *runner, const char *root, struct error *err)
{
	static const int signals[] = {SIGTERM, SIGINT};
	const char *text = getenv("PORT");
	struct listen_loopback listening;
	int64_t port = 0;
	int fds[2];

	if (!text)
		return error_set(err, ERR_USAGE, "PORT is not set");
	if (str_to_int(text, 1, 65535, &port, err) < 0)
		return error_wrap(err, "PORT");
	if (!fs_is_dir(root)) {
		error_set(err, ENOENT, "there is no folder %s", root);
		return error_hint(err, "build the site first, or correct `path`");
	}
	runner->loop = loop_new(err);
	if (!runner->loop || listen_loopback(&(int){(int)port}, 1, &listening, err) < 0)
		return -1;
	fds[0] = listening.ipv4;
	fds[1] = listening.ipv6;
	runner->site = site_new(runner->loop, root, fds, listening.ipv6 < 0 ? 1 : 2, err);
	if (!runner->site)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (loop_add_signal(runner->loop, signals[i], on_signal, runner,
		                    &runner->signals[i], err) < 0)
			return -1;
	return loop_run(runner->loop, err);
}

static void runner_release(struct runner *runner)
{
	site_free(runner->site);
	loop_source_free(runner->signals[0]);
	loop_source_free(runner->signals[1]);
	loop_free(runner->loop);
}

int site_main(int argc, char **argv)
{
	cleanup(runner_release) struct runner runner = {0};
	cleanup(error_release) struct error err = ERROR_INIT;
	int rc = -1;

	log_init("locald site", LOG_INFO);
	if (argc == 2)
		rc = run(&runner, argv[1], &err);
	else
		error_set(&err, ERR_USAGE, "usage: locald site DIR");
	if (rc < 0)
		log_err("%s%s%s", err.text, err.hint ? "; " : "", err.hint ? err.hint : "");
	return rc < 0 ? error_exit_code(err.code) : rc;
}
