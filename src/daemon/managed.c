#include "daemon/managed.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "daemon/managed_kind.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct managed_kind kinds[] = {
	{
		.type = SERVICE_POSTGRES,
		.programs = WORDS("postgres"),
		.folders = WORDS("/usr/lib/postgresql/%s/bin", "/usr/pgsql-%s/bin"),
		.package = "postgresql%s",
		.argv = WORDS("{program}", "-D", "{data}", "-p", "{port}", "-c",
                              "listen_addresses=127.0.0.1", "-c", "unix_socket_directories={run}"),
		.probe = WORDS("{bin}/pg_isready", "-q", "-h", "127.0.0.1", "-p", "{port}", "-U",
                               "postgres"),
		.init = WORDS("{bin}/initdb", "-D", "{data}", "-U", "postgres", "--auth=trust",
                              "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"),
		.version_file = "PG_VERSION",
		.socket = ".s.PGSQL.65535.lock",
		.url = "postgres://postgres@{host}:{port}/postgres",
		.user = "postgres",
		/* Fast: SIGTERM would wait until every client has gone. */
		.stop_signal = SIGINT,
		.refuses_root = true,
	},
	{
		.type = SERVICE_REDIS,
		.programs = WORDS("redis-server", "valkey-server"),
		.folders = WORDS("/usr/bin"),
		.package = "redis-server",
		.argv = WORDS("{program}", "--port", "{port}", "--bind", "127.0.0.1", "--dir",
                              "{data}", "--daemonize", "no", "--supervised", "no"),
		.url = "redis://{host}:{port}",
		.user = "default",
		.stop_signal = SIGTERM,
	},
};

const struct managed_kind *managed_kind_of(enum service_type type)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

const struct managed_kind *managed_kind_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(service_type_name(kinds[i].type), name))
			return &kinds[i];
	return NULL;
}

bool managed_is_kind(enum service_type type)
{
	return managed_kind_of(type) != NULL;
}

/* --- templates --- */

static char *fill_word(const char *template, const struct managed_words *words)
{
	cleanup_free char *port = xasprintf("%d", words->port);
	const struct {
		const char *name, *value;
	} values[] = {{"{bin}", words->bin}, {"{program}", words->program}, {"{host}", words->host},
	              {"{port}", port},      {"{data}", words->data},       {"{run}", words->run}};
	struct strbuf out = STRBUF_INIT;

	while (*template) {
		size_t i = 0;

		while (i < ARRAY_LEN(values) && !str_starts(template, values[i].name))
			i++;
		if (i < ARRAY_LEN(values)) {
			strbuf_adds(&out, values[i].value);
			template += strlen(values[i].name);
		} else {
			strbuf_addch(&out, *template ++);
		}
	}
	return strbuf_detach(&out);
}

void managed_fill(const char *const *template, const struct managed_words *words, struct strv *out)
{
	for (; *template; template ++)
		strv_add_take(out, fill_word(*template, words));
}

char *managed_detail(enum service_type type, const char *name, const char *host, int port)
{
	const struct managed_kind *kind = managed_kind_of(type);
	const struct managed_words words = {
		.bin = "", .program = "", .data = "", .run = "", .host = host, .port = port};

	if (!kind)
		return NULL;
	if (str_eq(name, "url"))
		return fill_word(kind->url, &words);
	return str_eq(name, "user") ? xstrdup(kind->user) : xstrdup("");
}

/* --- programs --- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *program_in(const struct managed_kind *kind, const char *folder)
{
	for (const char *const *name = kind->programs; *name; name++) {
		cleanup_free char *path = path_join(folder, *name);

		if (is_program(path))
			return take_ptr(path);
	}
	return NULL;
}

/* The highest version that a folder such as /usr/lib/postgresql/%s/bin exists for. */
static char *newest(const struct managed_kind *kind, const char *folder)
{
	cleanup_free char *parent = xstrndup(folder, (size_t)(strchr(folder, '%') - folder));
	cleanup_free char *dir = path_dir(parent), *found = NULL;
	size_t prefix = strlen(path_base(parent));
	long best = -1;
	DIR *stream = opendir(*path_base(parent) ? dir : parent);

	for (struct dirent *entry; stream && (entry = readdir(stream));) {
		cleanup(error_release) struct error ignored = ERROR_INIT;
		cleanup_free char *bin = NULL, *program = NULL;
		int64_t version;

		if (strncmp(entry->d_name, path_base(parent), prefix) != 0 ||
		    str_to_int(entry->d_name + prefix, 1, 9999, &version, &ignored) < 0 ||
		    version <= best)
			continue;
		bin = xasprintf(folder, entry->d_name + prefix);
		program = program_in(kind, bin);
		if (!program)
			continue;
		best = version;
		free(found);
		found = take_ptr(program);
	}
	if (stream)
		closedir(stream);
	return take_ptr(found);
}

static char *on_path(const struct managed_kind *kind, const struct strv *environment)
{
	const char *path = strv_env_get(environment, "PATH");
	cleanup_free char *copy = xstrdup(path ? path : "");
	char *rest = copy, *folder, *found = NULL;

	while (!found && (folder = strsep(&rest, ":")))
		if (*folder == '/')
			found = program_in(kind, folder);
	return found;
}

/* Is it a link to a program of the versioned folders, whose version is known and another? */
static bool is_of_known_version(const struct managed_kind *kind, const char *program)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_free char *real = path_real(program, &ignored);

	for (const char *const *folder = kind->folders; *folder; folder++)
		if (real && strchr(*folder, '%') &&
		    strncmp(real, *folder, (size_t)(strchr(*folder, '%') - *folder)) == 0)
			return true;
	return false;
}

/* version "" is any. */
static char *find_program(const struct managed_kind *kind, const char *version,
                          const struct strv *environment)
{
	char *found = *version ? NULL : on_path(kind, environment);

	for (const char *const *folder = kind->folders; *folder && !found; folder++) {
		cleanup_free char *bin = NULL;

		if (strchr(*folder, '%') && !*version) {
			found = newest(kind, *folder);
			continue;
		}
		bin = xasprintf(*folder, version);
		found = program_in(kind, bin);
	}
	if (found || !*version)
		return found;
	found = on_path(kind, environment);
	if (found && is_of_known_version(kind, found))
		free(take_ptr(found));
	/* One from elsewhere may be of another version, too: the job looks. */
	return found;
}

/* "15" of "15.4"; "" for "stable", "latest" and none. */
static char *major_of(const char *version)
{
	return xstrndup(version ? version : "", version ? strspn(version, "0123456789") : 0);
}

/* --- plans --- */

static int report(const struct service_config *service, const char *key, struct diagnostics *diags,
                  struct error *err, const char *text, const char *help)
{
	struct diagnostic *diag = diag_add(diags, "C045", "services.%s: %s", service->name, text);

	diag_help(diag, "%s", help);
	diag_at_place(diag, service_place_of(service, key), NULL);
	return diag_to_error(diags, err);
}

static int report_missing(const struct managed_kind *kind, const struct service_config *service,
                          const char *version, struct diagnostics *diags, struct error *err)
{
	cleanup_free char *dashed = *version ? xasprintf("-%s", version) : xstrdup("");
	cleanup_free char *package = xasprintf(kind->package, dashed);
	cleanup_free char *text = xasprintf("%s%s%s is not installed", kind->programs[0],
	                                    *version ? " " : "", version);
	cleanup_free char *help =
		xasprintf("install the package %s, as in `sudo apt install %s`", package, package);

	return report(service, "type", diags, err, text, help);
}

static void set_probe(const struct managed_kind *kind, const struct service_config *service,
                      const struct managed_words *words, struct service_plan *plan)
{
	cleanup(strv_release) struct strv probe = STRV_INIT;

	if (service->health.type != HEALTH_DEFAULT || !kind->probe)
		return;
	managed_fill(kind->probe, words, &probe);
	if (!is_program(probe.items[0]))
		return; /* the port will do */
	plan->health.kind = PLAN_HEALTH_COMMAND;
	strv_copy(&plan->health.argv, &probe);
}

int managed_plan(const struct managed_request *request, struct service_plan *plan,
                 json_t **ret_prepare, struct diagnostics *diags, struct error *err)
{
	const struct service_config *service = request->service;
	const struct managed_kind *kind = managed_kind_of(service->type);
	cleanup_free char *version = major_of(service->version);
	cleanup_free char *program = NULL, *bin = NULL;
	struct managed_words words = {
		.data = request->data, .run = request->run, .port = request->port};

	if (kind->refuses_root && geteuid() == 0)
		return report(service, "type", diags, err, "it refuses to run as root",
		              "run locald as an ordinary user");
	program = find_program(kind, version, request->environment);
	if (!program)
		return report_missing(kind, service, version, diags, err);
	bin = path_dir(program);
	words.bin = bin;
	words.program = program;
	/* A database without its unix socket is better than one that does not start. */
	if (kind->socket && strlen(words.run) + 1 + strlen(kind->socket) >=
	                            sizeof(((struct sockaddr_un *)NULL)->sun_path))
		words.run = "";
	managed_fill(kind->argv, &words, &plan->argv);
	set_probe(kind, service, &words, plan);
	if (!service_place_of(service, "stop_signal"))
		plan->stop_signal = kind->stop_signal;
	plan->needs_prepare = true;
	*ret_prepare = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "kind",
	                         service_type_name(kind->type), "program", program, "bin", bin,
	                         "version", version, "data", request->data, "run", request->run);
	return 0;
}
