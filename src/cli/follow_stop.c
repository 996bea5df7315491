#include "cli/follow.h"

#include "base/error.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/keeper_link.h"

static int ignore_line(json_t *line, void *data, struct error *err)
{
	return 0;
}

static int ask(struct follow *follow, const struct strv *services, int interrupt_fd,
               struct error *err)
{
	struct cli *cli = follow->cli;
	const struct client_watch watch = {
		.interrupt_fd = interrupt_fd,
		.on_also = follow_turn,
		.also_fd = follow->epoll_fd,
		.data = follow,
	};
	cleanup_json json_t *body = json_object();

	json_set_str(body, "root", cli->root);
	json_object_set_new(body, "services", json_from_strv(services));
	client_watch(cli->client, &watch);
	return cli_stream(cli, "POST", "/v1/stop", body, ignore_line, NULL, err);
}

int follow_stop(struct follow *follow, const struct strv *services, const char *what,
                struct error *err)
{
	bool was_busy = follow->is_busy;
	int r;

	output_say(&follow->cli->output, "stopping %s (Ctrl-C again kills it)", what);
	cli_take_interrupt(follow->cli);
	follow->is_busy = true; /* too late for `d` */
	r = ask(follow, services, follow->cli->interrupt_fd, err);
	if (r < 0 && err->code == ERR_INTERRUPTED) {
		error_release(err);
		*err = (struct error)ERROR_INIT;
		output_say(&follow->cli->output, "killing it");
		for (size_t i = 0; i < services->len; i++)
			keeper_link_kill(follow->cli, services->items[i]);
		r = ask(follow, services, -1, err);
	}
	follow->is_busy = was_busy;
	return r;
}
