/* The embedded runner: loads one .tflite model with libLiteRt.so, times it, and prints one JSON document.
 *
 * One process is one launch. The timed runs carry no profiler: what the delegate took and the figures of single
 * operators come from a second compilation of the same model after the timing, with the profiler on. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"
#include "litert_api.h"
#include "report.h"
#include "session.h"

typedef struct {
  char *name;
  uint64_t node;
  int partition; /* which part of the graph that a delegate took; -1: run by the runtime itself */
  double total_us;
  long calls;
} Operator;

typedef struct {
  Operator *operators;
  size_t count, capacity;
  long runs;
  int partitions;
  LiteRtIndex nodes_left; /* nodes that no delegate took */
} Profile;

/* What is being done, for the message of a crash: the runtime does not check a model file all the way through. */
static const char *volatile current_step = "starting";

static void on_crash(int number) {
  static const char before[] = "ERROR: crashed while ", after[] = "\n";
  const char *step = current_step;
  ssize_t ignored = write(STDERR_FILENO, before, sizeof before - 1);
  ignored = write(STDERR_FILENO, step, strlen(step));
  ignored = write(STDERR_FILENO, after, 1);
  (void)ignored; /* there is nobody left to tell */
  signal(number, SIG_DFL);
  raise(number);
}

static void report_crashes(void) {
  const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) signal(numbers[i], on_crash);
}

/* The wall's clock; on an emulated machine, where time is instructions, that of this process, to which whatever else
 * runs in the machine does not count. */
static clockid_t measuring_clock = CLOCK_MONOTONIC;

static double now_us(void) {
  struct timespec t;
  clock_gettime(measuring_clock, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Lets the peak begin anew at what is in use now. A kernel that does not offer it leaves the older, higher one. */
static void forget_peak_memory(void) {
  FILE *file = fopen("/proc/self/clear_refs", "w");
  if (!file) return;
  fputs("5", file);
  fclose(file);
}

/* Peak resident memory of this process so far, in KiB. */
static long peak_memory_kb(void) {
  long kb = 0;
  char line[256];
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status))
    if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
  if (status) fclose(status);
  return kb;
}

typedef struct {
  double *values;
  size_t count, capacity;
} Times;

static void add_time(Times *times, double value) {
  if (times->count == times->capacity) {
    times->capacity = times->capacity ? 2 * times->capacity : 256;
    times->values = realloc(times->values, times->capacity * sizeof *times->values);
    if (!times->values) fail("out of memory for %zu times", times->capacity);
  }
  times->values[times->count++] = value;
}

/* Time of one run, as the mean of `runs` of them: reading the clock costs too, and a small model would bear it. */
static double timed_runs(Session *session, long runs) {
  double start = now_us();
  for (long i = 0; i < runs; i++) run_once(session);
  return (now_us() - start) / (double)runs;
}

/* How many runs fill `batch_seconds`, when the first run, which is the slowest, took `first_seconds`. */
static long batch_size(Session *session, double batch_seconds, double first_seconds) {
  long runs = 1;
  if (first_seconds > 4 * batch_seconds) return runs;
  while (batch_seconds > 0) {
    double seconds = timed_runs(session, runs) * (double)runs / 1e6;
    if (seconds >= batch_seconds) break;
    runs *= 2;
  }
  return runs;
}

/* At least `runs` times and at least `min_seconds`, whichever is later; once one is taken, never past
 * `max_seconds`. */
static Times repeat(Session *session, int runs, double min_seconds, double max_seconds, long batch) {
  Times times = {0};
  double start = now_us();
  for (;;) {
    double seconds = (now_us() - start) / 1e6;
    bool enough = times.count >= (size_t)runs && seconds >= min_seconds;
    if (enough || (times.count && seconds >= max_seconds)) return times;
    add_time(&times, timed_runs(session, batch));
  }
}

/* The row for one event. Events come in the same order each run, so the row is nearly always the next one. */
static Operator *find_operator(Profile *profile, size_t guess, const char *name, uint64_t node, int partition) {
  for (size_t step = 0; step < profile->count; step++) {
    Operator *o = &profile->operators[(guess + step) % profile->count];
    if (o->node == node && o->partition == partition && strcmp(o->name, name) == 0) return o;
  }
  if (profile->count == profile->capacity) {
    profile->capacity = profile->capacity ? 2 * profile->capacity : 256;
    profile->operators = realloc(profile->operators, profile->capacity * sizeof *profile->operators);
    if (!profile->operators) fail("out of memory for %zu operators", profile->capacity);
  }
  Operator *o = &profile->operators[profile->count++];
  *o = (Operator){.name = strdup(name), .node = node, .partition = partition};
  return o;
}

/* Rows of the main graph's nodes alone. What runs inside a loop or a branch lies within the time of the node that runs it,
 * so a row of its own would count it twice; its index, too, is that of a node of another graph. */
static void add_events(Profile *profile, const LiteRtProfilerEvent *events, int count) {
  size_t row = 0;
  int partition = -1;
  LiteRtIndex nodes_left = 0;
  for (int i = 0; i < count; i++) {
    const LiteRtProfilerEvent *e = &events[i];
    bool kernel = e->event_type == LITERT_EVENT_KERNEL;
    if (!kernel && e->event_type != LITERT_EVENT_DELEGATE_NODE && e->event_type != LITERT_EVENT_DELEGATE_INTERNAL)
      continue;
    if (e->metadata2 != 0) continue;
    if (kernel) nodes_left++;
    else if (e->metadata1 == 0) partition++; /* a delegate numbers its nodes from 0 in each part that it took */
    Operator *o = find_operator(profile, row++, e->tag ? e->tag : "?", e->metadata1, kernel ? -1 : partition);
    o->total_us += (double)e->elapsed_us;
    o->calls++;
  }
  profile->partitions = partition + 1;
  profile->nodes_left = nodes_left;
  profile->runs++;
}

static Profile take_profile(Session *session, const Arguments *arguments) {
  Profile profile = {0};
  LiteRtHandle profiler;
  check(litert.CompiledModelGetProfiler(session->compiled, &profiler), "opening the profiler");
  if (arguments->profile) run_once(session); /* the first run is slower than the rest; its rows would show that */
  double start = now_us();
  do {
    int count = 0;
    check(litert.ResetProfiler(profiler), "resetting the profiler");
    check(litert.StartProfiler(profiler), "starting the profiler");
    run_once(session);
    check(litert.StopProfiler(profiler), "stopping the profiler");
    check(litert.GetNumProfilerEvents(profiler, &count), "counting profiler events");
    LiteRtProfilerEvent *events = calloc((size_t)count + 1, sizeof *events);
    if (!events) fail("out of memory for %d profiler events", count);
    check(litert.GetProfilerEvents(profiler, count, events), "reading profiler events");
    add_events(&profile, events, count);
    free(events);
  } while (arguments->profile && profile.runs < arguments->runs && (now_us() - start) / 1e6 < arguments->max_seconds);
  return profile;
}

static void write_outputs(Session *session, const char *path) {
  FILE *file = fopen(path, "wb");
  if (!file) fail("cannot write the outputs to %s", path);
  for (LiteRtIndex i = 0; i < session->output_count; i++) {
    void *memory;
    size_t bytes = byte_count(&session->outputs[i].type);
    check(litert.LockTensorBuffer(session->outputs[i].buffer, &memory, LITERT_LOCK_READ), "reading an output");
    if (fwrite(memory, 1, bytes, file) != bytes) fail("cannot write %zu bytes of output to %s", bytes, path);
    check(litert.UnlockTensorBuffer(session->outputs[i].buffer), "reading an output");
  }
  if (fclose(file)) fail("cannot finish writing the outputs to %s", path);
}

static void print_tensors(const char *key, const Tensor *tensors, LiteRtIndex count) {
  printf(",\n\"%s\": [", key);
  for (LiteRtIndex i = 0; i < count; i++) {
    printf("%s{\"name\": ", i ? ", " : "");
    json_string(tensors[i].name ? tensors[i].name : "");
    printf(", \"dtype\": \"%s\", \"shape\": [", element_name(tensors[i].type.element_type));
    for (unsigned d = 0; d < tensors[i].type.layout.rank; d++)
      printf("%s%d", d ? ", " : "", tensors[i].type.layout.dimensions[d]);
    printf("]}");
  }
  printf("]");
}

static void print_operators(const Profile *profile) {
  printf(",\n\"operators\": [");
  for (size_t i = 0; i < profile->count; i++) {
    const Operator *o = &profile->operators[i];
    printf("%s\n{\"name\": ", i ? "," : "");
    json_string(o->name);
    printf(", \"node\": %llu, \"partition\": %d", (unsigned long long)o->node, o->partition);
    double runs = (double)profile->runs;
    printf(", \"us\": %.3f, \"calls\": %.3f}", o->total_us / runs, (double)o->calls / runs);
  }
  printf("]");
}

static void print_left(const Profile *profile) {
  const char *separator = "";
  printf(",\n\"left\": [");
  for (size_t i = 0; i < profile->count; i++) {
    if (profile->operators[i].partition >= 0) continue;
    printf("%s", separator);
    json_string(profile->operators[i].name);
    separator = ", ";
  }
  printf("]");
}

typedef struct {
  double init_us, first_us;
  Times times;
} Measurement;

/* Compiles and times the model, with no profiler near it. */
static void measure(Session *session, const Arguments *arguments, Measurement *measured) {
  double start = now_us();
  current_step = "compiling the model for the delegate";
  compile(session, arguments, false);
  measured->init_us += now_us() - start;

  current_step = "running the model";
  measured->first_us = timed_runs(session, 1);
  /* The first run is the first of the warm-up's. */
  if (arguments->warmup_runs > 1 || arguments->warmup_seconds > 0)
    repeat(session, arguments->warmup_runs - 1, arguments->warmup_seconds, arguments->max_seconds, 1);
  long batch = batch_size(session, arguments->batch_seconds, measured->first_us / 1e6);
  measured->times = repeat(session, arguments->runs, arguments->min_seconds, arguments->max_seconds, batch);
}

/* On an emulated machine a run of a large model takes minutes, and what a first run or a profiler adds to its count is
 * far below a thousandth. So there one run is the first, is profiled and is timed (and the profiler's buffers, some
 * 60 MB, count in the peak memory). False when the model is not large: then this run has only served to learn what
 * the delegate took. */
static bool measure_long_model(Session *session, const Arguments *arguments, Measurement *measured, Profile *profile) {
  static const double LONG_RUN_US = 2e6;
  if (!arguments->cpu_clock || arguments->profile) return false;
  double start = now_us();
  current_step = "compiling the model for the delegate";
  compile(session, arguments, true);
  double compile_us = now_us() - start;

  current_step = "running the model";
  start = now_us();
  *profile = take_profile(session, arguments);
  double run_us = now_us() - start;
  if (run_us < LONG_RUN_US) {
    close_compiled(session);
    forget_peak_memory(); /* the profiler's buffers are no part of the model's need */
    return false;
  }
  measured->init_us += compile_us;
  measured->first_us = run_us;
  if (arguments->runs > 1)
    measured->times = repeat(session, arguments->runs - 1, 0, arguments->max_seconds, 1);
  add_time(&measured->times, run_us);
  return true;
}

int main(int count, char **values) {
  /* Dies with whoever started it: a benchmark that goes on alone would disturb the next one. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  report_crashes();
  keep_stdout_for_report();
  Arguments arguments = parse_arguments(count, values);
  if (arguments.cpu_clock) measuring_clock = CLOCK_PROCESS_CPUTIME_ID;
  Session session;

  double start = now_us();
  current_step = "loading the model";
  open_session(&session, &arguments);
  Measurement measured = {.init_us = now_us() - start};
  Profile profile = {0};
  if (!measure_long_model(&session, &arguments, &measured, &profile)) measure(&session, &arguments, &measured);
  long peak_kb = peak_memory_kb();
  if (*arguments.outputs) write_outputs(&session, arguments.outputs);
  Session timed = session; /* shapes, for the report: the second compilation writes over them */
  if (!session.on_gpu && !profile.runs) { /* a GPU's delegate has no profiler and fails with one; its log has to do */
    current_step = "profiling the model";
    close_compiled(&session);
    compile(&session, &arguments, true);
    profile = take_profile(&session, &arguments);
  }

  begin_report();
  printf("{\"init_us\": %.3f, \"first_us\": %.3f, \"peak_rss_kb\": %ld,\n", measured.init_us, measured.first_us,
         peak_kb);
  printf("\"fully_delegated\": %s, \"partitions\": %d, \"total_nodes\": %zu, \"delegated_nodes\": %zu",
         timed.fully_delegated ? "true" : "false", profile.partitions, session.node_count,
         /* of a composite the ops that it holds run, which are more nodes than the file has */
         profile.nodes_left < session.node_count ? session.node_count - profile.nodes_left : 0);
  print_tensors("inputs", timed.inputs, timed.input_count);
  print_tensors("outputs", timed.outputs, timed.output_count);
  print_left(&profile);
  if (arguments.profile && profile.runs) print_operators(&profile);
  printf(",\n\"times_us\": [");
  for (size_t i = 0; i < measured.times.count; i++)
    printf("%s%.3f", i ? ", " : "", measured.times.values[i]);
  printf("]}\n");
  fflush(stdout);
  _exit(0); /* the report is out; the runtime's destructors have nothing to add and have been seen to hang */
}
