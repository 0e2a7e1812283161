/* Command line of the runner. Every option is --name=value. */
#ifndef NOBUCO_ARGUMENTS_H
#define NOBUCO_ARGUMENTS_H

#include <stdbool.h>

enum { MAX_TENSORS = 256 };

typedef struct {
  const char *library;     /* path of libLiteRt.so */
  const char *plugins;     /* folder with the GPU accelerator; empty: none */
  const char *model;       /* path of the .tflite file */
  const char *delegate;    /* xnnpack, xnnpack-fp16, cpu, cpu-reference, gpu-webgpu */
  const char *outputs;     /* file for the bytes of all outputs, one after the other; empty: not wanted */
  const char *inputs[MAX_TENSORS]; /* one raw little-endian file per input; none: made-up inputs */
  int input_count;
  int threads, warmup_runs, runs;
  double warmup_seconds, min_seconds, max_seconds;
  double batch_seconds; /* runs are timed together until this has passed; 0: each by itself */
  bool profile;
  bool cpu_clock; /* count what this process runs, not what passes on the wall */
} Arguments;

Arguments parse_arguments(int count, char **values);

#endif
