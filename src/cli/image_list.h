/* image_list - images and builders as tables; what their commands share. */
#pragma once

struct cli;
struct error;
struct strbuf;

/* Runs a list job and shows the array `key` of its result, as a table or as JSON. */
int image_list(struct cli *cli, const char *kind, const char *key, struct error *err);

/* "sha256:9f3c2a1b4d5e" */
void image_add_digest(struct strbuf *out, const char *digest);
