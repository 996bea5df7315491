/* site_main - `locald site DIR`: serves DIR on $PORT until SIGTERM or SIGINT. */
#pragma once

int site_main(int argc, char **argv);
