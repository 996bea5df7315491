#include "proxy/control.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/version.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int send_json(int sock, const json_t *message, const int *fds, size_t count,
                     struct error *err)
{
	cleanup_free char *text = json_text(message);

	return fd_send_message(sock, text, strlen(text), fds, count, err);
}

int control_send_listen(int sock, const int *ports, const int *fds, size_t count, struct error *err)
{
	cleanup_json json_t *message = json_pack("{s:s}", "op", "listen");
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_integer(ports[i]));
	json_object_set_new(message, "ports", list);
	return send_json(sock, message, fds, count, err);
}

int control_send_op(int sock, const char *op, struct error *err)
{
	cleanup_json json_t *message = json_pack("{s:s}", "op", op);

	return send_json(sock, message, NULL, 0, err);
}

int control_send_hello(int sock, const int *fds, size_t count, struct error *err)
{
	cleanup_json json_t *message = json_pack("{s:s, s:s, s:i}", "op", "hello", "version",
	                                         locald_version, "pid", (int)getpid());

	return send_json(sock, message, fds, count, err);
}

int control_send_routes(int sock, const char *json, size_t len, struct error *err)
{
	cleanup_json json_t *message = json_pack("{s:s,s:b}", "op", "routes", "memfd", 1);
	cleanup_close int memfd = -1;

	if (len <= CONTROL_MAX_PACKET)
		return fd_send_message(sock, json, len, NULL, 0, err);
	memfd = memfd_create("routes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0)
		return error_errno(err, errno, "memfd");
	if (fd_write_all(memfd, json, len, err) < 0)
		return -1;
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return error_errno(err, errno, "seal the routes");
	return send_json(sock, message, &memfd, 1, err);
}

json_t *control_read_table(int memfd, struct error *err)
{
	int seals = fcntl(memfd, F_GET_SEALS);
	json_t *message;
	struct stat st;
	void *text;

	/* Unsealed it could shrink under us, which is a SIGBUS. */
	if (seals < 0 ||
	    (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE)) {
		error_set(err, EPERM, "the routes are not sealed");
		return NULL;
	}
	if (fstat(memfd, &st) < 0 || st.st_size == 0 || st.st_size > CONTROL_MAX_TABLE) {
		error_set(err, EFBIG, "the routes have a bad size");
		return NULL;
	}
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, memfd, 0);
	if (text == MAP_FAILED) {
		error_errno(err, errno, "map the routes");
		return NULL;
	}
	message = json_parse(text, (size_t)st.st_size, err);
	munmap(text, (size_t)st.st_size);
	return message;
}
