#include "cli/commands.h"

#include "base/error.h"
#include "base/str.h"

/*
 * The scripts only ask `locald __complete`: what there is to offer is in the
 * tables and in the project, so an installed script is never out of date.
 */
static const char bash_script[] =
	"# bash completion for locald: source <(locald completion bash)\n"
	"_locald() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} line\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tcase $line in\n"
	"\t\t:files) COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n"
	"\t\t:dirs) COMPREPLY+=($(compgen -d -- \"$cur\")) ;;\n"
	"\t\t*) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
	"\t\tesac\n"
	"\tdone < <(locald __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
	"}\n"
	"complete -o filenames -F _locald locald\n";

static const char zsh_script[] =
	"#compdef locald\n"
	"# zsh completion for locald: source <(locald completion zsh)\n"
	"_locald() {\n"
	"\tlocal line\n"
	"\tlocal -a offers\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tcase $line in\n"
	"\t\t:files) _files ;;\n"
	"\t\t:dirs) _files -/ ;;\n"
	"\t\t*) offers+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
	"\t\tesac\n"
	"\tdone < <(locald __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
	"\t(( ${#offers} )) && _describe locald offers\n"
	"}\n"
	"if [ \"$funcstack[1]\" = _locald ]; then _locald; else compdef _locald locald; fi\n";

static const char fish_script[] = "# fish completion for locald: locald completion fish | source\n"
				  "function __locald_complete\n"
				  "\tset -l words (commandline -opc) (commandline -ct)\n"
				  "\tfor line in (locald __complete -- $words[2..-1] 2>/dev/null)\n"
				  "\t\tswitch $line\n"
				  "\t\t\tcase :files\n"
				  "\t\t\t\t__fish_complete_path (commandline -ct)\n"
				  "\t\t\tcase :dirs\n"
				  "\t\t\t\t__fish_complete_directories (commandline -ct)\n"
				  "\t\t\tcase '*'\n"
				  "\t\t\t\techo $line\n"
				  "\t\tend\n"
				  "\tend\n"
				  "end\n"
				  "complete -c locald -f -a '(__locald_complete)'\n";

static const struct {
	const char *name, *script;
} shells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

static int run(struct cli *cli, int argc unused_arg, char **argv, void *values unused_arg,
               struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

		if (!str_eq(shells[i].name, argv[0]))
			continue;
		strbuf_adds(&out, shells[i].script);
		return output_data(&cli->output, &out, err);
	}
	return error_set(err, ERR_USAGE, "no completion for `%s`: bash, zsh or fish", argv[0]);
}

static const char *const examples[] = {
	"source <(locald completion bash)",
	"for this shell",
	NULL,
};

const struct command cmd_completion = {
	.name = "completion",
	.summary = "Print a completion script for bash, zsh or fish",
	.usage = "SHELL",
	.examples = examples,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
