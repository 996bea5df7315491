#include "daemon/events.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/daemon.h"
#include "daemon/reply.h"
#include "daemon/status.h"
#include "net/http_server.h"

struct event_client {
	struct daemon *daemon;
	struct http_exchange *x;
	char *root; /* NULL: all projects */
	bool is_behind, has_missed;
};

static void forget(struct http_exchange *x, void *data)
{
	struct event_client *client = data;

	array_foreach(slot, &client->daemon->event_clients)
		if (*slot == client) {
			array_remove(&client->daemon->event_clients, slot);
			break;
		}
	free(client->root);
	free(client);
}

static void send_event(struct event_client *client, const json_t *event)
{
	cleanup_free char *text = json_text(event);
	size_t len = strlen(text);

	text[len] = '\n';
	client->is_behind = !http_stream_write(client->x, text, len + 1);
}

static void on_room(struct http_exchange *x, void *data)
{
	struct event_client *client = data;
	cleanup_json json_t *event = NULL;

	client->is_behind = false;
	if (!client->has_missed)
		return;
	client->has_missed = false;
	event = json_object();
	json_set_str(event, "event", "missed");
	send_event(client, event);
}

static const struct http_exchange_events exchange_callbacks = {.on_close = forget,
                                                               .on_drain = on_room};

void events_begin(struct daemon *daemon, struct http_exchange *x, const char *root)
{
	struct event_client *client = xcalloc(1, sizeof(*client));

	client->daemon = daemon;
	client->x = x;
	client->root = xstrdup_null(root);
	*array_add(&daemon->event_clients) = client;
	http_exchange_watch(x, &exchange_callbacks, client);
	reply_stream_begin(x);
}

void events_on_state(struct daemon *daemon, const char *project,
                     const struct service_snapshot *service)
{
	const struct project *known = daemon_find_project(daemon, project);
	cleanup_json json_t *event = NULL;

	if (!known || daemon->event_clients.len == 0)
		return;
	event = status_event(known, service);
	array_foreach(slot, &daemon->event_clients) {
		if ((*slot)->root && !str_eq((*slot)->root, known->root))
			continue;
		if ((*slot)->is_behind)
			(*slot)->has_missed = true;
		else
			send_event(*slot, event);
	}
}

void events_release(struct daemon *daemon)
{
	array_release(&daemon->event_clients);
}
