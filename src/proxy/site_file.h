/*
 * site_file - a request for a static file: which file it is, and how much of it
 * the client wants.
 *
 * A path never leaves the site's folder: not by "..", not by a link, and what
 * begins with a dot (.git, .env) is not there, except .well-known.  The folder
 * is opened for each request, so that a build may replace it.
 *
 * Conditions and ranges are those of RFC 9110, one range a request.  Blocks: on
 * the disk.
 */
#pragma once

#include "net/http_message.h"

#include <stdint.h>
#include <time.h>

struct error;

struct site_file {
	int fd;
	uint64_t size;
	struct timespec changed;
	char etag[64];
	const char *type; /* "text/html; charset=utf-8" */
};

#define SITE_FILE_INIT                                                                             \
	{                                                                                          \
		.fd = -1                                                                           \
	}

void site_file_release(struct site_file *file);

enum site_found {
	SITE_FILE,
	SITE_FOLDER,    /* a folder asked for without its slash: the client is sent there */
	SITE_NOT_FOUND, /* err says why, for the log */
};

/* `path` is decoded and begins with "/"; a folder's file is its index.html. */
enum site_found site_file_open(const char *root, const char *path, struct site_file *file,
                               struct error *err);

struct site_answer {
	int status;          /* 200, 206, 304 or 416 */
	uint64_t first, len; /* the bytes to send */
};

/* What the fields of the request make of it. */
struct site_answer site_file_answer(const struct site_file *file, const struct http_head *head);

/* "Wed, 21 Oct 2015 07:28:00 GMT" */
#define SITE_DATE_SIZE 32
void site_format_date(time_t time, char out[SITE_DATE_SIZE]);

/* By the name's ending; application/octet-stream for one that is not known. */
const char *site_type_of(const char *path);
