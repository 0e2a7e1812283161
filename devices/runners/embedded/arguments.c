#include "arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

/* The text after "--name=", or NULL when the argument is another one. */
static const char *value_of(const char *argument, const char *name) {
  size_t length = strlen(name);
  if (strncmp(argument, "--", 2) != 0 || strncmp(argument + 2, name, length) != 0) return NULL;
  return argument[2 + length] == '=' ? argument + 3 + length : NULL;
}

static double number(const char *name, const char *text, double low) {
  char *end;
  errno = 0;
  double value = strtod(text, &end);
  if (errno || end == text || *end || !(value >= low)) fail("--%s=%s is not a number of at least %g", name, text, low);
  return value;
}

Arguments parse_arguments(int count, char **values) {
  Arguments a = {.library = "libLiteRt.so", .plugins = "", .model = "", .delegate = "xnnpack", .outputs = "",
                 .threads = 1, .warmup_runs = 1, .runs = 20, .warmup_seconds = 0.5, .min_seconds = 1,
                 .max_seconds = 60};
  for (int i = 1; i < count; i++) {
    const char *v;
    if ((v = value_of(values[i], "library"))) a.library = v;
    else if ((v = value_of(values[i], "plugins"))) a.plugins = v;
    else if ((v = value_of(values[i], "model"))) a.model = v;
    else if ((v = value_of(values[i], "delegate"))) a.delegate = v;
    else if ((v = value_of(values[i], "outputs"))) a.outputs = v;
    else if ((v = value_of(values[i], "threads"))) a.threads = (int)number("threads", v, 1);
    else if ((v = value_of(values[i], "warmup-runs"))) a.warmup_runs = (int)number("warmup-runs", v, 0);
    else if ((v = value_of(values[i], "warmup-seconds"))) a.warmup_seconds = number("warmup-seconds", v, 0);
    else if ((v = value_of(values[i], "runs"))) a.runs = (int)number("runs", v, 1);
    else if ((v = value_of(values[i], "min-seconds"))) a.min_seconds = number("min-seconds", v, 0);
    else if ((v = value_of(values[i], "max-seconds"))) a.max_seconds = number("max-seconds", v, 0);
    else if ((v = value_of(values[i], "batch-seconds"))) a.batch_seconds = number("batch-seconds", v, 0);
    else if ((v = value_of(values[i], "clock"))) a.cpu_clock = strcmp(v, "cpu") == 0;
    else if ((v = value_of(values[i], "profile"))) a.profile = strcmp(v, "yes") == 0;
    else if ((v = value_of(values[i], "input"))) {
      if (a.input_count == MAX_TENSORS) fail("more than %d inputs", MAX_TENSORS);
      a.inputs[a.input_count++] = v;
    } else fail("unknown argument %s", values[i]);
  }
  if (!*a.model) fail("--model is missing");
  return a;
}
