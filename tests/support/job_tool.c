#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "oci/job_image.h"

#include <errno.h>
#include <signal.h>

/* Runs one job as `locald job KIND` does: parameters on stdin, JSON lines on stdout. */

#define PARAMS_MAX (1024 * 1024)

static const struct job *find_job(const char *name)
{
	for (size_t i = 0; i < OCI_JOB_COUNT; i++)
		if (str_eq(oci_jobs[i].name, name))
			return &oci_jobs[i];
	return NULL;
}

static int run(const char *name, struct job_output *out, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_json json_t *params = NULL;
	const struct job *job = find_job(name);

	if (!job)
		return error_set(err, ERR_USAGE, "no job \"%s\"", name);
	if (fd_read_to_end(STDIN_FILENO, &text, PARAMS_MAX, err) < 0)
		return -1;
	params = json_parse(text.buf, text.len, err);
	if (!params)
		return -1;
	return job->fn(params, out, err);
}

int main(int argc, char **argv)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct job_output out = {STDOUT_FILENO};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGPIPE, &ignore, NULL);
	if (run(argc == 2 ? argv[1] : "", &out, &err) == 0)
		return 0;
	job_failure(&out, &err);
	return 1;
}
