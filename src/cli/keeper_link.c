#include "cli/keeper_link.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "keeper/protocol.h"

#include <glob.h>
#include <sys/socket.h>

static void no_such_service(const char *service, const glob_t *found, struct error *err)
{
	cleanup(strv_release) struct strv names = STRV_INIT;
	const char *nearest;

	for (size_t i = 0; i < found->gl_pathc; i++) {
		const char *base = path_base(found->gl_pathv[i]);

		strv_add_take(&names, xstrndup(base, strlen(base) - strlen(".sock")));
	}
	nearest = str_nearest(service, (const char *const *)names.items, names.len);
	error_set(err, ERR_NOT_FOUND, "no service `%s` is running here", service);
	if (nearest)
		error_hint(err, "did you mean `%s`?", nearest);
	else
		error_hint(err, "`locald status` shows what runs");
}

char *keeper_link_find(const struct cli *cli, const char *service, struct error *err)
{
	cleanup_free char *id = paths_project_id("x", cli->root);
	cleanup_free char *pattern =
		xasprintf("%s/keepers/*%s/*.sock", cli->paths.run, strchr(id, '-'));
	glob_t found = {0};
	char *socket = NULL;

	(void)glob(pattern, GLOB_NOSORT, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc && !socket; i++) {
		const char *base = path_base(found.gl_pathv[i]);
		size_t len = strlen(base) - strlen(".sock");

		if (strlen(service) == len && memcmp(base, service, len) == 0)
			socket = xstrdup(found.gl_pathv[i]);
	}
	if (!socket)
		no_such_service(service, &found, err);
	globfree(&found);
	return socket;
}

int keeper_link_open(const char *path, const char *service, struct error *err)
{
	cleanup_close int dir = -1, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;

	if (fd < 0 || keeper_socket_address(path, &addr, &dir, err) < 0 ||
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_set(err, ERR_NOT_FOUND, "%s is not running", service);
	return take_fd(fd);
}

void keeper_link_send(int fd, const struct keeper_packet *packet)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	keeper_packet_encode(packet, &text);
	/* When it fails the connection is over, and the next read says so. */
	(void)!send(fd, text.buf, text.len, MSG_NOSIGNAL);
}

void keeper_link_kill(const struct cli *cli, const char *service)
{
	cleanup(error_release) struct error ended = ERROR_INIT;
	cleanup_free char *path = keeper_link_find(cli, service, &ended);
	cleanup_close int fd = path ? keeper_link_open(path, service, &ended) : -1;

	if (fd >= 0)
		keeper_link_send(fd, &(struct keeper_packet){.op = KEEPER_KILL});
}
