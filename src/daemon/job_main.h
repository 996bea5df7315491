/*
 * job_main - `locald job KIND`: parameters as one JSON object on stdin, JSON
 * lines on stdout.  Kinds are the tables of oci/job_image.h and cnb/job_build.h.
 */
#pragma once

int job_main(int argc, char **argv);
