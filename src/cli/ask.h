/* ask - questions to the user, on stderr; only where stdin and stderr are terminals. */
#pragma once

#include <stdbool.h>

struct cli;
struct strbuf;

bool ask_is_possible(void);

/* "QUESTION [Y/n] "; an empty answer is `otherwise`, and no answer at all is no. */
bool ask_yes(struct cli *cli, const char *question, bool otherwise);

/* A line without its end; false when there is none. */
bool ask_line(struct cli *cli, const char *question, struct strbuf *answer);
