#include "cli/explain.h"

#include "base/attrs.h"
#include "base/str.h"
#include "config/diag.h"

static const struct page {
	const char *id, *text;
	const char *title; /* NULL: that of the diagnostic */
} pages[] = {
	{"C001",
         "A file that the project needs could not be read: it is missing, belongs to somebody\n"
         "else, is too large, or may not be opened by you. The message names the file."},
	{"C002",
         "The file is not TOML 1.0. The place is where reading stopped; the mistake may be just\n"
         "before it, such as a missing quote or bracket on the line above."},
	{"C010", "A key has a value of another type than it takes:\n\n"
                 "  port = \"3000\"     a string\n"
                 "  port = 3000       a number, as it should be"},
	{"C011", "The value has the right type, but is out of bounds or not one of the choices.\n"
                 "`locald config schema` lists what each key takes."},
	{"C012",
         "locald does not know this key. A wrong key is an error, not a comment, because a typing\n"
         "mistake would otherwise silently do nothing. The help names the nearest key."},
	{"C013",
         "The key or value is understood, but this version cannot do it yet. It is refused rather\n"
         "than ignored. Remove it, or use a later version."},
	{"C014", "A key or table is there twice in one file. Keep one of them."},
	{"C015", "The key is for the project's own file only. A file of the user or of a parent "
                 "folder may\n"
                 "set defaults, but has no services."},
	{"C016", "The project has more services than locald accepts. Split it into projects."},
	{"C020", "Names of projects and services are made of letters, digits, `-` and `_`, have at "
                 "most 63\n"
                 "characters and do not begin with `-`. In a URL they are in small letters, with "
                 "`-` for `_`."},
	{"C021",
         "The service has nothing to run: give it a `command`, a line in the Procfile, or (for a\n"
         "container) an `image` or `build` that says it."},
	{"C022", "A service in container mode needs to know of what the container is made:\n\n"
                 "  image = \"NAME\"                    an image of the store or of a registry\n"
                 "  build = { builder = \"NAME\" }      built from the source by buildpacks"},
	{"C023", "The project's files describe no service. The shortest is\n\n"
                 "  [services.web]\n"
                 "  command = \"npm run dev\""},
	{"C024", "Two settings cannot be true together. The message names both; remove one."},
	{"C025",
         "Two services have names that are the same in a URL, where letters are small and `_` is\n"
         "`-`: `My_App` and `my-app`. Rename one of them."},
	{"C030", "`depends_on` names a service that this project does not have. The help names the "
                 "nearest."},
	{"C031",
         "Services that wait for each other in a circle can never start. The message shows the\n"
         "circle; remove one of its `depends_on`."},
	{"C032",
         "A dependency is awaited as `completed`, but it is a service that goes on. Make it\n"
         "`oneshot = true`, or wait for `ready`."},
	{"C033",
         "A ${…} names something that does not exist. These exist: ${services.NAME.url}, .host,\n"
         ".port and .env.VAR, ${env.NAME}, ${project.name}, and ${NAME:-default}."},
	{"C034",
         "A ${…} is not complete or not of the right form. Write $$ for a dollar sign itself."},
	{"C040", "The folder that the service is to run in does not exist. It is relative to the "
                 "project's."},
	{"C041", "An env file has a line that is not NAME=value. Values may be quoted; `export` "
                 "and comments\n"
                 "are fine."},
	{"C042", "A line of a Procfile is `name: command`."},
	{"C043", "package.json is not JSON, or its scripts are not strings."},
	{"C044", "A file in `env_file` does not exist. Only the default, .env, may be missing."},
	{"C045", "A service of type \"postgres\" or \"redis\" runs the programs that are installed "
                 "on this\n"
                 "machine. The message says what is missing and the help how to get it."},
	{"C046",
         "`locald init --from` reads process-compose.yaml and compose.yaml files. This one is not\n"
         "YAML, or has neither `processes` nor `services`. The place is where reading stopped."},
	{"W001",
         "A file that could have set something was left out; the message says why, for example\n"
         "because it belongs to another user."},
	{"W002",
         "The key is understood, but does nothing here. Files for the Rust version of locald "
         "may have\n"
         "it; docs/configuration.md says what differs."},
	{"W003",
         "`locald init` found something in its source that locald does otherwise, or cannot do.\n"
         "It is a comment in the locald.toml that was written; the message says where it was and\n"
         "why it is left out."},
	{"E400",
         "The command line is not one that locald understands. `locald help COMMAND` shows what a\n"
         "command takes; the help names the nearest command or option where there is one. Nothing\n"
         "was done. Exit status 2.",
         "wrong command line"},
	{"E403",
         "What is in the project's files has not been agreed to by `locald up` in this form, and\n"
         "nothing automatic runs it before. Look at it (`locald up --plan`), then type `locald "
         "up`.\n"
         "Exit status 6.",
         "not approved"},
	{"E404",
         "There is no project in this folder or above it, or no service, image, builder or file "
         "of\n"
         "that name. `locald status` shows the services; the help names the nearest one. Exit\n"
         "status 4.",
         "not found"},
	{"E408",
         "It did not happen within the time that was given (`--timeout`, `start_period`,\n"
         "`stop_timeout`). `locald why SERVICE` says what a service waits for. Exit status 5.",
         "not in time"},
	{"E409",
         "Something else has what is needed: another program has the port, a file or a service of\n"
         "that name is there already, another operation is under way. The message names it. Exit\n"
         "status 7.",
         "taken"},
	{"E422",
         "The files of the project cannot be used, in a way that no line of them can be blamed "
         "for.\n"
         "Exit status 2.",
         "wrong configuration"},
	{"E500",
         "The operation failed, or a service did. The message says at what; of a service,\n"
         "`locald why SERVICE` and `locald logs SERVICE` say more. Exit status 1.",
         "failed"},
	{"E501",
         "It is understood, but this version cannot do it yet, and does nothing rather than\n"
         "something else. Exit status 2.",
         "not supported yet"},
	{"E503",
         "The daemon cannot be reached or started, or is of a version that this command does not\n"
         "understand: `locald daemon restart` replaces it, and no service stops. Its log is\n"
         "`locald daemon logs`. Exit status 3.",
         "no daemon"},
};

const char *explain_text(const char *id)
{
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (str_eq(pages[i].id, id))
			return pages[i].text;
	return NULL;
}

const char *explain_title(const char *id)
{
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (str_eq(pages[i].id, id))
			return pages[i].title ? pages[i].title : diag_title(id);
	return NULL;
}

const char *explain_id_at(size_t n)
{
	return n < ARRAY_LEN(pages) ? pages[n].id : NULL;
}
