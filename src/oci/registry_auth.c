#include "oci/registry_auth.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <strings.h>

#define AUTH_FILE_MAX (1024 * 1024)
#define AUTH_TEXT_MAX 8192
#define CHALLENGE_MAX 8192

void credentials_release(struct credentials *creds)
{
	if (creds->password)
		explicit_bzero(creds->password, strlen(creds->password));
	free(creds->user);
	free(creds->password);
	*creds = (struct credentials){0};
}

/* "dXNlcjpwYXNz" -> user and password; false when it is not that. */
static bool decode_auth(const char *text, struct credentials *ret)
{
	size_t len = strlen(text);
	cleanup_free char *plain = xcalloc(1, len + 1);
	char *colon;

	if (len == 0 || len > AUTH_TEXT_MAX || len % 4 != 0 ||
	    EVP_DecodeBlock((unsigned char *)plain, (const unsigned char *)text, (int)len) < 0)
		return false;
	colon = strchr(plain, ':');
	if (!colon)
		return false;
	ret->user = xstrndup(plain, (size_t)(colon - plain));
	ret->password = xstrdup(colon + 1);
	explicit_bzero(plain, len);
	return true;
}

/* Is `key` of an auth file about this place ("https://HOST/v1/" is an old spelling of HOST)? */
static bool is_key_for(const char *key, const char *place)
{
	size_t len = strlen(place);

	if (str_starts(key, "https://"))
		key += strlen("https://");
	else if (str_starts(key, "http://"))
		key += strlen("http://");
	if (strncmp(key, place, len) != 0)
		return false;
	key += len;
	return str_eq(key, "") || str_eq(key, "/") || str_eq(key, "/v1/") || str_eq(key, "/v2/") ||
	       str_eq(key, "/v1") || str_eq(key, "/v2");
}

static bool find_in(json_t *auths, const char *place, struct credentials *ret)
{
	const char *key;
	json_t *entry;

	json_object_foreach(auths, key, entry) {
		const char *user = json_get_str(entry, "username", NULL);
		const char *password = json_get_str(entry, "password", NULL);

		if (!is_key_for(key, place))
			continue;
		if (decode_auth(json_get_str(entry, "auth", ""), ret))
			return true;
		if (user && password) {
			*ret = (struct credentials){xstrdup(user), xstrdup(password)};
			return true;
		}
	}
	return false;
}

/* The most exact entry: "HOST/team/app", "HOST/team", "HOST". */
static bool find_best(json_t *auths, const char *registry, const char *repository,
                      struct credentials *ret)
{
	cleanup_free char *place = xasprintf("%s/%s", registry, repository);

	for (;;) {
		char *slash;

		if (find_in(auths, place, ret))
			return true;
		slash = strrchr(place, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return str_eq(registry, "docker.io") && find_in(auths, "index.docker.io", ret);
}

static int look_in_file(const char *path, const char *registry, const char *repository,
                        struct credentials *ret, struct error *err)
{
	cleanup_json json_t *file = json_parse_file(path, AUTH_FILE_MAX, err);

	if (!file)
		return -1;
	find_best(json_object_get(file, "auths"), registry, repository, ret);
	return 0;
}

static void add_path(struct strv *paths, const char *dir, const char *file)
{
	if (!str_empty(dir))
		strv_add_take(paths, path_join(dir, file));
}

static void usual_paths(struct strv *paths)
{
	const char *home = getenv("HOME");

	if (!str_empty(getenv("REGISTRY_AUTH_FILE")))
		strv_add(paths, getenv("REGISTRY_AUTH_FILE"));
	add_path(paths, getenv("XDG_RUNTIME_DIR"), "containers/auth.json");
	add_path(paths, getenv("XDG_CONFIG_HOME"), "containers/auth.json");
	add_path(paths, home, ".config/containers/auth.json");
	add_path(paths, getenv("DOCKER_CONFIG"), "config.json");
	add_path(paths, home, ".docker/config.json");
}

int credentials_find(const char *auth_file, const char *registry, const char *repository,
                     struct credentials *ret, struct error *err)
{
	cleanup(strv_release) struct strv paths = STRV_INIT;

	*ret = (struct credentials){0};
	if (auth_file)
		return look_in_file(auth_file, registry, repository, ret, err);
	usual_paths(&paths);
	for (size_t i = 0; i < paths.len && !ret->user; i++)
		if (fs_exists(paths.items[i]) &&
		    look_in_file(paths.items[i], registry, repository, ret, err) < 0)
			return -1;
	return 0;
}

void auth_challenge_release(struct auth_challenge *challenge)
{
	free(challenge->scheme);
	free(challenge->realm);
	free(challenge->service);
	free(challenge->scope);
	*challenge = (struct auth_challenge){0};
}

static bool is_token_char(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static char *take_token(const char **at)
{
	size_t len = 0;

	while (is_token_char((*at)[len]))
		len++;
	*at += len;
	return len > 0 ? xstrndup(*at - len, len) : NULL;
}

/* A token or a quoted string; NULL when it is neither. */
static char *take_value(const char **at)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (**at != '"')
		return take_token(at);
	for ((*at)++; **at && **at != '"'; (*at)++) {
		if (**at == '\\' && (*at)[1])
			(*at)++;
		strbuf_addch(&text, **at);
	}
	if (**at != '"')
		return NULL;
	(*at)++;
	return strbuf_detach(&text);
}

static void skip_space(const char **at)
{
	*at += strspn(*at, " \t");
}

static void keep(struct auth_challenge *challenge, const char *name, char *value)
{
	char **slot = strcasecmp(name, "realm") == 0     ? &challenge->realm
	              : strcasecmp(name, "service") == 0 ? &challenge->service
	              : strcasecmp(name, "scope") == 0   ? &challenge->scope
	                                                 : NULL;

	if (!slot || *slot) {
		free(value);
		return;
	}
	*slot = value;
}

static bool parse_parameters(const char *at, struct auth_challenge *challenge)
{
	for (skip_space(&at); *at;) {
		cleanup_free char *name = take_token(&at);
		char *value;

		skip_space(&at);
		/* A token without "=" begins another challenge of the same header. */
		if (name && *at != '=' && challenge->realm)
			return true;
		if (!name || *at++ != '=')
			return false;
		skip_space(&at);
		value = take_value(&at);
		if (!value)
			return false;
		keep(challenge, name, value);
		at += strspn(at, " \t,");
	}
	return true;
}

int auth_challenge_parse(const char *header, struct auth_challenge *ret, struct error *err)
{
	cleanup(auth_challenge_release) struct auth_challenge challenge = {0};
	const char *at = header;

	if (strlen(header) > CHALLENGE_MAX)
		return error_set(err, ERR_FAILED, "the registry's challenge is too long");
	skip_space(&at);
	challenge.scheme = take_token(&at);
	for (char *c = challenge.scheme; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (!challenge.scheme || !parse_parameters(at, &challenge))
		return error_set(err, ERR_FAILED, "the registry's challenge cannot be read");
	if (!str_eq(challenge.scheme, "bearer") && !str_eq(challenge.scheme, "basic"))
		return error_set(err, ERR_UNSUPPORTED,
		                 "the registry wants \"%.32s\" authentication, which is not "
		                 "supported yet",
		                 challenge.scheme);
	if (str_eq(challenge.scheme, "bearer") && str_empty(challenge.realm))
		return error_set(err, ERR_FAILED, "the registry's challenge has no realm");
	*ret = challenge;
	challenge = (struct auth_challenge){0};
	return 0;
}
