/* What the runner tells: one JSON document on stdout, whatever happens. The runtime's own log goes to stderr. */
#ifndef NOBUCO_REPORT_H
#define NOBUCO_REPORT_H

#include <stdio.h>

/* A JSON string with everything escaped that JSON wants escaped. */
static inline void json_string(const char *text) {
  putchar('"');
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\') {
      printf("\\%c", *c);
    } else if (*c < 0x20) {
      printf("\\u%04x", *c);
    } else {
      putchar(*c);
    }
  }
  putchar('"');
}

/* Ends the process with {"error": ...}; the message names the step and the thing that failed. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
