/*
 * locald-job KIND: parameters as one JSON object on stdin, JSON lines on stdout.  Kinds are the
 * tables of oci/job_image.h, oci/job_volume.h, cnb/job_build.h and daemon/managed.h.
 *
 * A program of its own, because libcurl and libarchive bring forty libraries: to load them takes
 * longer than all that most commands do, and memory in each process that has them.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "cnb/job_build.h"
#include "daemon/managed.h"
#include "oci/job_image.h"
#include "oci/job_volume.h"

#include <sys/stat.h>

#define PARAMS_MAX (4u << 20)

static const struct job *find_job(const char *name)
{
	for (size_t i = 0; i < OCI_JOB_COUNT; i++)
		if (str_eq(oci_jobs[i].name, name))
			return &oci_jobs[i];
	for (size_t i = 0; i < VOLUME_JOB_COUNT; i++)
		if (str_eq(volume_jobs[i].name, name))
			return &volume_jobs[i];
	for (size_t i = 0; i < CNB_JOB_COUNT; i++)
		if (str_eq(cnb_jobs[i].name, name))
			return &cnb_jobs[i];
	for (size_t i = 0; i < MANAGED_JOB_COUNT; i++)
		if (str_eq(managed_jobs[i].name, name))
			return &managed_jobs[i];
	return NULL;
}

static int run_job(const struct job *job, struct job_output *out, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_json json_t *params = NULL;

	if (fd_read_to_end(STDIN_FILENO, &text, PARAMS_MAX, err) < 0)
		return error_wrap(err, "parameters");
	params = json_parse(text.buf, text.len, err);
	if (!params)
		return error_wrap(err, "parameters");
	if (!json_is_object(params))
		return error_set(err, ERR_USAGE, "parameters: expected an object");
	return job->fn(params, out, err);
}

int main(int argc, char **argv)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct job_output out = {.fd = STDOUT_FILENO};
	const struct job *job = argc == 2 ? find_job(argv[1]) : NULL;

	log_init("locald-job", LOG_INFO);
	umask(022);
	if (!job) {
		error_set(&err, ERR_USAGE, "no such job: %s", argc > 1 ? argv[1] : "(none)");
		job_failure(&out, &err);
		return 2;
	}
	if (run_job(job, &out, &err) == 0)
		return 0;
	job_failure(&out, &err);
	return error_exit_code(err.code);
}
