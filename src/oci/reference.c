#include "oci/reference.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/store.h"

#include <arpa/inet.h>
#include <string.h>

#define DEFAULT_REGISTRY "docker.io"
#define DEFAULT_API_HOST "registry-1.docker.io"
#define TAG_MAX          128

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* One separator of a repository: ".", "_", "__" or any number of "-"; 0 when there is none. */
static size_t separator_len(const char *at, const char *end)
{
	size_t dashes = 0;

	if (at + 1 < end && at[0] == '_' && at[1] == '_')
		return 2;
	if (*at == '.' || *at == '_')
		return 1;
	while (at + dashes < end && at[dashes] == '-')
		dashes++;
	return dashes;
}

static bool is_repository_part(const char *at, const char *end)
{
	for (;;) {
		const char *start = at;

		while (at < end && is_lower_alnum(*at))
			at++;
		if (at == start)
			return false;
		if (at == end)
			return true;
		start = at;
		at += separator_len(at, end);
		if (at == start || at == end)
			return false;
	}
}

static bool is_repository(const char *text)
{
	for (;;) {
		const char *end = text + strcspn(text, "/");

		if (!is_repository_part(text, end))
			return false;
		if (!*end)
			return true;
		text = end + 1;
	}
}

static bool is_tag(const char *tag)
{
	if (!is_alnum(*tag) && *tag != '_')
		return false;
	for (const char *c = tag; *c; c++)
		if (!is_alnum(*c) && !strchr("._-", *c))
			return false;
	return strlen(tag) <= TAG_MAX;
}

/* The length of the host in "host" or "host:port"; 0 when it is no host. */
static size_t host_len(const char *registry)
{
	size_t len = 0;

	if (*registry == '[') {
		const char *close = strchr(registry, ']');
		cleanup_free char *address = NULL;
		struct in6_addr ignored;

		if (!close)
			return 0;
		address = xstrndup(registry + 1, (size_t)(close - registry) - 1);
		return inet_pton(AF_INET6, address, &ignored) == 1 ? strlen(address) + 2 : 0;
	}
	/* Labels of letters and digits, with dashes inside, and dots between them. */
	for (;;) {
		size_t start = len;

		while (is_alnum(registry[len]) || registry[len] == '-')
			len++;
		if (len == start || registry[start] == '-' || registry[len - 1] == '-')
			return 0;
		if (registry[len] != '.')
			return len;
		len++;
	}
}

static bool is_registry(const char *registry)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	size_t len = host_len(registry);
	int64_t port;

	if (len == 0)
		return false;
	if (registry[len] == '\0')
		return true;
	return registry[len] == ':' &&
	       str_to_int(registry + len + 1, 1, 65535, &port, &ignored) == 0;
}

/* Does the first part of a name (up to `len`) mean a registry? */
static bool looks_like_registry(const char *name, size_t len)
{
	return memchr(name, '.', len) || memchr(name, ':', len) ||
	       (len == strlen("localhost") && strncmp(name, "localhost", len) == 0);
}

static void split_registry(struct reference *ref, const char *name)
{
	const char *slash = strchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 0;

	if (slash && looks_like_registry(name, len)) {
		ref->registry = xstrndup(name, len);
		ref->repository = xstrdup(slash + 1);
	} else {
		ref->registry = xstrdup(DEFAULT_REGISTRY);
		ref->repository = xstrdup(name);
	}
	if (str_eq(ref->registry, "index.docker.io")) {
		free(ref->registry);
		ref->registry = xstrdup(DEFAULT_REGISTRY);
	}
	if (str_eq(ref->registry, DEFAULT_REGISTRY) && !strchr(ref->repository, '/')) {
		char *official = xasprintf("library/%s", ref->repository);

		free(ref->repository);
		ref->repository = official;
	}
}

/* Cuts "@digest" and ":tag" off the end of `name`. */
static void split_version(struct reference *ref, char *name)
{
	char *at = strchr(name, '@');
	char *slash, *colon;

	if (at) {
		ref->digest = xstrdup(at + 1);
		*at = '\0';
	}
	slash = strrchr(name, '/');
	colon = strchr(slash ? slash : name, ':');
	if (colon) {
		ref->tag = xstrdup(colon + 1);
		*colon = '\0';
	}
	if (!ref->tag && !ref->digest)
		ref->tag = xstrdup("latest");
}

static int check(const struct reference *ref, const char *text, struct error *err)
{
	if (ref->digest && digest_check(ref->digest, err) < 0)
		return error_wrap(err, "image reference %s", text);
	if (ref->tag && !is_tag(ref->tag))
		return error_set(err, ERR_USAGE, "image reference %s: \"%s\" is no tag", text,
		                 ref->tag);
	if (!is_registry(ref->registry))
		return error_set(err, ERR_USAGE, "image reference %s: \"%s\" is no registry", text,
		                 ref->registry);
	if (!is_repository(ref->repository)) {
		error_set(err, ERR_USAGE, "image reference %s: \"%s\" is no repository", text,
		          ref->repository);
		return error_hint(err, "repositories are lower-case letters, digits, and single "
		                       "\".\", \"_\", \"-\" and \"/\" between them");
	}
	return 0;
}

int reference_parse(const char *text, struct reference *ret, struct error *err)
{
	cleanup(reference_release) struct reference ref = REFERENCE_INIT;
	cleanup_free char *name = NULL;

	if (!*text)
		return error_set(err, ERR_USAGE, "the image reference is empty");
	if (strlen(text) > REFERENCE_MAX)
		return error_set(err, ERR_USAGE, "the image reference is longer than %d bytes",
		                 REFERENCE_MAX);
	name = xstrdup(text);
	split_version(&ref, name);
	split_registry(&ref, name);
	if (check(&ref, text, err) < 0)
		return -1;
	*ret = ref;
	ref = (struct reference)REFERENCE_INIT;
	return 0;
}

void reference_release(struct reference *ref)
{
	free(ref->registry);
	free(ref->repository);
	free(ref->tag);
	free(ref->digest);
	*ref = (struct reference)REFERENCE_INIT;
}

char *reference_text(const struct reference *ref)
{
	return xasprintf("%s/%s%s%s%s%s", ref->registry, ref->repository, ref->tag ? ":" : "",
	                 ref->tag ? ref->tag : "", ref->digest ? "@" : "",
	                 ref->digest ? ref->digest : "");
}

const char *reference_manifest(const struct reference *ref)
{
	return ref->digest ? ref->digest : ref->tag;
}

const char *reference_api_host(const struct reference *ref)
{
	return str_eq(ref->registry, DEFAULT_REGISTRY) ? DEFAULT_API_HOST : ref->registry;
}

bool reference_is_loopback(const struct reference *ref)
{
	cleanup_free char *host = xstrndup(ref->registry, host_len(ref->registry));
	struct in_addr address;

	return str_eq(host, "localhost") || str_eq(host, "[::1]") ||
	       (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

int reference_check_local_name(const char *name, struct error *err)
{
	const char *slash = strchr(name, '/');
	cleanup_free char *repository = xstrndup(name, strcspn(name, ":"));
	const char *tag = name + strlen(repository);

	if (strlen(name) > REFERENCE_MAX || !is_repository(repository) ||
	    (*tag && !is_tag(tag + 1))) {
		error_set(err, ERR_USAGE, "\"%s\" is no image name", name);
		return error_hint(err,
		                  "a name is lower-case letters, digits, and single \".\", "
		                  "\"_\", \"-\" and \"/\" between them, with an optional :tag");
	}
	if (slash && looks_like_registry(name, (size_t)(slash - name)))
		return error_set(err, ERR_USAGE,
		                 "\"%s\" names a registry; a local name's first part has no dot",
		                 name);
	return 0;
}
