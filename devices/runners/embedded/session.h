/* A model compiled for a delegate, with its buffers. */
#ifndef NOBUCO_SESSION_H
#define NOBUCO_SESSION_H

#include "arguments.h"
#include "litert_api.h"

extern LiteRtApi litert;

typedef struct {
  LiteRtHandle buffer;
  size_t capacity; /* bytes the buffer can hold */
  LiteRtTensorType type;
  const char *name;
} Tensor;

typedef struct {
  LiteRtHandle environment, model, compiled;
  LiteRtIndex node_count; /* nodes of the model's graph, before any delegate */
  LiteRtIndex input_count, output_count;
  Tensor inputs[MAX_TENSORS], outputs[MAX_TENSORS];
  bool fully_delegated;
  bool on_gpu;
} Session;

/* Opens the library and the model; the model is not compiled yet. */
void open_session(Session *session, const Arguments *arguments);

/* Applies the delegate and makes the buffers. May be called again after close_compiled, with another setting. */
void compile(Session *session, const Arguments *arguments, bool with_profiler);
void close_compiled(Session *session);

/* One inference. On a GPU it includes reading one output back, since starting the work is not doing it. */
void run_once(Session *session);

size_t byte_count(const LiteRtTensorType *type);
const char *element_name(int element_type);

/* Ends the process when status is an error, naming the step. */
void check(LiteRtStatus status, const char *step);

#endif
