/* What the runner tells: one JSON document on stdout, whatever happens. The runtime's own log goes to stderr. */
#ifndef NOBUCO_REPORT_H
#define NOBUCO_REPORT_H

/* A JSON string with everything escaped that JSON wants escaped. */
void json_string(const char *text);

/* Libraries write to stdout, too. Until the report begins it goes where their other messages go. */
void keep_stdout_for_report(void);
void begin_report(void);

/* Ends the process with {"error": ...}; the message names the step and the thing that failed. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
