#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void json_string(const char *text) {
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

static int report_descriptor = -1;

void keep_stdout_for_report(void) {
  report_descriptor = dup(STDOUT_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
}

void begin_report(void) {
  fflush(stdout);
  if (report_descriptor >= 0) dup2(report_descriptor, STDOUT_FILENO);
}

void fail(const char *format, ...) {
  char message[2048];
  va_list values;
  va_start(values, format);
  vsnprintf(message, sizeof message, format, values);
  va_end(values);
  begin_report();
  printf("{\"error\": ");
  json_string(message);
  printf("}\n");
  fflush(stdout);
  _exit(1); /* no destructors: a runtime that has just failed may not survive them */
}
