#include "config/schema.h"

#include "config/schema_field.h"

#define PROJECT(field) offsetof(struct project_config, field)
#define SERVICE(field) offsetof(struct service_config, field)

#define HOUR_MS 3600000

static const struct config_key keys[] = {
	{"project", "The project as a whole", CFG_TABLE, CONFIG_NO_FIELD},
	{"project.name", "Name; the folder's name unless given", CFG_NAME, PROJECT(name),
         .is_inner_only = true},
	{"project.domain", "Domain; NAME.localhost unless given", CFG_DOMAIN, PROJECT(domain)},
	{"project.workspace", "Groups projects", CFG_STRING, PROJECT(workspace)},
	{"project.constellation", "Another name for workspace", CFG_STRING, PROJECT(workspace),
         .alias = "project.workspace"},
	{"project.wildcard", "*.DOMAIN goes to the main service", CFG_BOOL, CONFIG_NO_FIELD,
         .later = "false"},
	{"env", "Environment of every service", CFG_ENV, PROJECT(env)},
	{"plugins", "Plugins of the Rust version", CFG_ANY, CONFIG_NO_FIELD, .no_effect = true},
	{"routes", "One origin for many services", CFG_ANY, CONFIG_NO_FIELD, .later = ""},
	{"server", "Ports of the Rust version's proxy", CFG_ANY, CONFIG_NO_FIELD,
         .no_effect = true},
	{"service", "Another name for services", CFG_SERVICES, CONFIG_NO_FIELD, .alias = "services",
         .is_inner_only = true},
	{"services", "The services, by name", CFG_SERVICES, CONFIG_NO_FIELD, .is_inner_only = true},
	{"worktrees", "Worktrees of the Rust version", CFG_ANY, CONFIG_NO_FIELD, .no_effect = true},

	{"services.*.autostart", "Part of a plain `locald up`", CFG_BOOL, SERVICE(autostart)},
	{"services.*.build", "Build an image with buildpacks; of a site, the command", CFG_BUILD,
         CONFIG_NO_FIELD, .flag = SERVICE(build.is_set)},
	{"services.*.build.builder", "Builder image", CFG_STRING, SERVICE(build.builder)},
	{"services.*.build.buildpacks", "Buildpacks instead of the builder's order", CFG_STRINGS,
         SERVICE(build.buildpacks)},
	{"services.*.build.cache", "Keep the build cache", CFG_BOOL, SERVICE(build.cache)},
	{"services.*.build.env", "Environment of the build", CFG_ENV, SERVICE(build.env)},
	{"services.*.build.exclude", "Files that are not source", CFG_STRINGS,
         SERVICE(build.exclude)},
	{"services.*.build.network", "Network of the build", CFG_ENUM, CONFIG_NO_FIELD,
         .choices = "host", .later = "private none"},
	{"services.*.command", "Text for `sh -c`, or an array of arguments", CFG_COMMAND,
         SERVICE(command)},
	{"services.*.container_port", "Port that it listens on inside the container", CFG_PORT,
         SERVICE(container_port)},
	{"services.*.debounce", "How long files must be quiet before a restart", CFG_DURATION,
         SERVICE(debounce_ms), 10, 60 * 1000},
	{"services.*.depends_on", "Services to wait for", CFG_DEPENDS, SERVICE(depends_on)},
	{"services.*.dev", "Live source over the image", CFG_ANY, CONFIG_NO_FIELD, .later = ""},
	{"services.*.domains", "Further domains", CFG_ANY, CONFIG_NO_FIELD, .later = ""},
	{"services.*.entrypoint", "Instead of the image's entrypoint", CFG_STRINGS,
         SERVICE(entrypoint), .flag = SERVICE(has_entrypoint)},
	{"services.*.env", "Environment; values may use ${…}", CFG_ENV, SERVICE(env)},
	{"services.*.env_file", "Env files; .env unless given", CFG_STRINGS, SERVICE(env_files),
         .flag = SERVICE(has_env_files)},
	{"services.*.every", "A job that runs this often", CFG_DURATION, SERVICE(every_ms), 1000,
         7 * 24 * HOUR_MS},
	{"services.*.expose", "Who reaches the port", CFG_ENUM, CONFIG_NO_FIELD,
         .choices = "loopback", .later = "lan"},
	{"services.*.health_check", "When the service is ready", CFG_HEALTH, CONFIG_NO_FIELD},
	{"services.*.health_check.command", "Ready when it exits with 0", CFG_COMMAND,
         SERVICE(health.command)},
	{"services.*.health_check.interval", "Time between checks", CFG_DURATION,
         SERVICE(health.interval_ms), 50, HOUR_MS},
	{"services.*.health_check.path", "Path to GET", CFG_STRING, SERVICE(health.path)},
	{"services.*.health_check.pattern", "Ready when a line of its log matches", CFG_STRING,
         SERVICE(health.pattern)},
	{"services.*.health_check.restart", "Restart it when it is unhealthy", CFG_BOOL,
         SERVICE(health.restart)},
	{"services.*.health_check.retries", "Failures in a row that count", CFG_INT,
         SERVICE(health.retries), 1, 1000},
	{"services.*.health_check.start_period", "Time to become ready", CFG_DURATION,
         SERVICE(health.start_period_ms), 0, 24 * HOUR_MS},
	{"services.*.health_check.timeout", "Time for one check", CFG_DURATION,
         SERVICE(health.timeout_ms), 50, HOUR_MS},
	{"services.*.health_check.type", "Kind of check", CFG_ENUM, SERVICE(health.type),
         .min = HEALTH_HTTP, .choices = "http tcp command log notify"},
	{"services.*.idle_timeout", "Stop after this long without a request", CFG_ANY,
         CONFIG_NO_FIELD, .later = ""},
	{"services.*.image", "Image to run", CFG_STRING, SERVICE(image)},
	{"services.*.limits", "Limits of memory, CPU and processes of its container", CFG_TABLE,
         CONFIG_NO_FIELD},
	{"services.*.limits.cpus", "Processors it may use, such as 1.5", CFG_DECIMAL,
         SERVICE(cpu_millis), 10, 1024 * 1000},
	{"services.*.limits.memory", "Memory it may use, such as \"512M\"", CFG_SIZE,
         SERVICE(memory_bytes), 4 << 20, INT64_C(1) << 50},
	{"services.*.limits.pids", "Processes and threads it may have", CFG_INT, SERVICE(pids), 1,
         4 << 20},
	{"services.*.log_size", "How much of its log is kept", CFG_SIZE, SERVICE(log_bytes),
         1 << 20, INT64_C(512) << 30},
	{"services.*.max_restarts", "Restarts in a row before it is given up; 0 is no limit",
         CFG_INT, SERVICE(max_restarts), 0, 1000000},
	{"services.*.mode", "host or container; container with build or image", CFG_ENUM,
         SERVICE(mode), .min = MODE_HOST, .choices = "host container"},
	{"services.*.network", "Network of the container", CFG_ENUM, SERVICE(network),
         .min = NETWORK_PRIVATE, .choices = "private host none"},
	{"services.*.oneshot", "Runs once; success is `completed`", CFG_BOOL, SERVICE(oneshot)},
	{"services.*.path", "Folder of a site", CFG_STRING, SERVICE(path)},
	{"services.*.port", "Port it listens on; a free one, as $PORT, unless given", CFG_PORT,
         SERVICE(port)},
	{"services.*.profiles", "Profiles it belongs to", CFG_STRINGS, SERVICE(profiles)},
	{"services.*.replicas", "Copies behind one URL", CFG_INT, SERVICE(replicas), 1, 100},
	{"services.*.restart", "When to start it again", CFG_ENUM, SERVICE(restart),
         .min = RESTART_NO, .choices = "no on-failure always"},
	{"services.*.schedule", "A job that runs at these times, as in a crontab", CFG_STRING,
         SERVICE(schedule)},
	{"services.*.start_on_request", "Start at the first request", CFG_BOOL, CONFIG_NO_FIELD,
         .later = "false"},
	{"services.*.stdin", "Read what is typed into `locald attach`", CFG_BOOL,
         SERVICE(has_stdin)},
	{"services.*.stop_command", "How to stop it", CFG_COMMAND, SERVICE(stop_command)},
	{"services.*.stop_signal", "Signal that stops it", CFG_SIGNAL, SERVICE(stop_signal)},
	{"services.*.stop_timeout", "Time to stop before it is killed", CFG_DURATION,
         SERVICE(stop_timeout_ms), 0, HOUR_MS},
	{"services.*.success_exit_codes", "Exit codes that are success, besides 0", CFG_INTS,
         SERVICE(success_codes), 0, 255},
	{"services.*.tty", "Give it a terminal", CFG_BOOL, SERVICE(tty)},
	{"services.*.type", "Kind of service", CFG_ENUM, SERVICE(type), .min = SERVICE_EXEC,
         .choices = "exec worker container site postgres redis", .later = "mysql"},
	{"services.*.user", "User inside the container", CFG_STRING, SERVICE(user)},
	{"services.*.version", "Version of a database", CFG_STRING, SERVICE(version)},
	{"services.*.volumes", "Folders in the container: \"./data:/data\", \"cache:/cache:ro\"",
         CFG_VOLUMES, SERVICE(volumes)},
	{"services.*.watch", "Restart when files change that match one of these", CFG_STRINGS,
         SERVICE(watch)},
	{"services.*.watch_ignore", "But not these", CFG_STRINGS, SERVICE(watch_ignore)},
	{"services.*.workdir", "Working directory, from the project's root", CFG_STRING,
         SERVICE(workdir)},
};

const struct config_key *schema_key_at(size_t n)
{
	return n < ARRAY_LEN(keys) ? &keys[n] : NULL;
}

const struct config_key *schema_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (str_eq(keys[i].path, path))
			return &keys[i];
	return NULL;
}

static void release_fields(void *base, bool is_service)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].offset != CONFIG_NO_FIELD &&
		    str_starts(keys[i].path, "services.*.") == is_service)
			config_field_release(&keys[i], (char *)base + keys[i].offset);
}

void schema_release_service(struct service_config *service)
{
	release_fields(service, true);
}

void schema_release_project(struct project_config *project)
{
	release_fields(project, false);
}

json_t *service_to_json(const struct service_config *service)
{
	json_t *object = json_object();

	json_set_str(object, "name", service->name);
	for (const struct config_key *key = keys; key < keys + ARRAY_LEN(keys); key++) {
		const char *field = (const char *)service + key->offset;

		if (key->offset == CONFIG_NO_FIELD || !str_starts(key->path, "services.*."))
			continue;
		/* An empty array that was given is not the same as none. */
		json_object_set_new(object, key->path + strlen("services.*."),
		                    key->flag && !*(const bool *)((const char *)service + key->flag)
		                            ? json_null()
		                            : config_field_to_json(key, field));
	}
	json_set_bool(object, "build", service->build.is_set);
	return object;
}
