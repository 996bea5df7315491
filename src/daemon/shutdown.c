#include "daemon/shutdown.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/container_removal.h"
#include "daemon/daemon.h"
#include "daemon/reply.h"
#include "loop/loop.h"
#include "net/http_server.h"

struct departure {
	struct daemon *daemon;
	struct http_exchange *x; /* NULL once the client has gone: the daemon leaves all the same */
	size_t pending;          /* projects that are still stopping */
};

static void leave(void *data)
{
	struct departure *departure = data;

	if (departure->x)
		reply_json(departure->x, 200, json_pack("{s:b}", "ok", 1));
	log_info("asked to leave");
	loop_stop(departure->daemon->loop, 0);
	free(departure);
}

static void on_client_gone(struct http_exchange *x, void *data)
{
	struct departure *departure = data;

	departure->x = NULL;
}

static const struct http_exchange_events exchange_callbacks = {.on_close = on_client_gone};

static void on_stopped(uint64_t operation, const struct service_result *results, size_t count,
                       void *data)
{
	struct departure *departure = data;

	for (size_t i = 0; i < count; i++)
		if (results[i].err.code)
			log_err("stop %s: %s", results[i].service, results[i].err.text);
	if (--departure->pending == 0)
		container_removal_when_done(departure->daemon, leave, departure);
}

void shutdown_begin(struct daemon *daemon, struct http_exchange *x, const json_t *how)
{
	struct departure *departure = xcalloc(1, sizeof(*departure));

	departure->daemon = daemon;
	departure->x = x;
	daemon->is_restarting = json_get_bool(how, "restart", false);
	if (json_get_bool(how, "services", false)) {
		array_foreach(project, &daemon->projects) {
			cleanup(error_release) struct error err = ERROR_INIT;

			if ((*project)->plans.len == 0)
				continue;
			if (supervisor_stop(daemon->supervisor, (*project)->id, NULL, on_stopped,
			                    departure, &err))
				departure->pending++;
			else
				log_err("stop %s: %s", (*project)->id, err.text);
		}
	}
	if (departure->pending == 0)
		leave(departure);
	else
		http_exchange_watch(x, &exchange_callbacks, departure);
}
