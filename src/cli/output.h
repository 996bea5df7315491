/*
 * output - the two streams: results go to stdout, everything else to stderr.
 *
 * Styles are found once, from --color, NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM
 * and the terminals.  A text is written with one write, so that lines of two
 * programs do not mix.  On a terminal a live region of a few lines is kept at
 * the foot of stderr: output_live() replaces it, and any other output goes above.
 */
#pragma once

#include "cli/style.h"

struct error;

struct output {
	struct style out, err;
	int height;    /* of the terminal on stderr, in lines */
	bool is_live;  /* stderr is a terminal that can be redrawn */
	bool is_quiet; /* -q: errors only */
	int verbose;
	int live_lines; /* of the region that is on the screen */
};

/* when: "auto", "always" or "never". */
void output_init(struct output *output, const char *when);

/* To stdout; -1 when it cannot be written. */
int output_data(struct output *output, const struct strbuf *text, struct error *err);
/* As output_data(), for what only confirms that something was done: nothing when quiet. */
int output_done(struct output *output, const struct strbuf *text, struct error *err);
/* To stderr, above the live region; nothing when quiet. */
void output_note(struct output *output, const struct strbuf *text);
/* A line of ours, its end included; what is from outside must be safe already. */
void output_say(struct output *output, const char *fmt, ...) printf_like(2, 3);
/* As output_note(), quiet or not. */
void output_error(struct output *output, const struct strbuf *text);

/* Lines ended with '\n', each cut to the width, no more of them than fit the screen. */
void output_live(struct output *output, const struct strbuf *lines);
void output_live_end(struct output *output);
