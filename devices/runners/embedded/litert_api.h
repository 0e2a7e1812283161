/* The part of the LiteRT C API that the runner calls, declared here so that no LiteRT headers are needed to build it.
 *
 * The library is opened at run time: one small binary then works with every libLiteRt.so of the ABI below (versions
 * 2.2 and 2.3), and a wrong library gives a message instead of a loader error. */
#ifndef NOBUCO_LITERT_API_H
#define NOBUCO_LITERT_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int LiteRtStatus; /* 0 is success */
typedef void *LiteRtHandle;
typedef size_t LiteRtIndex;

enum { LITERT_ACCELERATOR_CPU = 1, LITERT_ACCELERATOR_GPU = 2 };
enum { LITERT_ENV_RUNTIME_LIBRARY_DIR = 22, LITERT_ENV_AUTO_REGISTER_ACCELERATORS = 24 };
enum { LITERT_ANY_INT = 2, LITERT_ANY_STRING = 8 };
enum { LITERT_LOCK_READ = 0, LITERT_LOCK_WRITE = 1 };
enum { LITERT_MAX_RANK = 8 };

typedef struct {
  unsigned int rank : 7;
  unsigned int has_strides : 1;
  int32_t dimensions[LITERT_MAX_RANK];
  uint32_t strides[LITERT_MAX_RANK];
} LiteRtLayout;

typedef struct {
  int element_type; /* the numbering of TfLiteType */
  LiteRtLayout layout;
} LiteRtTensorType;

typedef struct {
  int tag;
  struct {
    int type;
    union {
      int64_t int_value;
      const char *string_value;
    };
  } value;
} LiteRtEnvironmentOption;

/* Kinds of profiler events; bits, as in tflite::Profiler::EventType. */
enum {
  LITERT_EVENT_KERNEL = 1 << 1,            /* one node of the graph, run by a kernel of the runtime */
  LITERT_EVENT_DELEGATE_INTERNAL = 1 << 2, /* one node inside a delegate, listed apart */
  LITERT_EVENT_DELEGATE_NODE = 1 << 3,     /* one node inside a delegate, listed with the operators */
};

typedef struct {
  size_t total_allocated, in_use_allocated, private_footprint;
} LiteRtMemoryUsage;

typedef struct {
  const char *tag;
  int event_type;
  uint64_t start_us, elapsed_us;
  LiteRtMemoryUsage memory_begin, memory_end;
  uint64_t metadata1; /* index of the node */
  uint64_t metadata2; /* index of the subgraph: 0 is the model's own */
  int source;
} LiteRtProfilerEvent;

/* X(return type, name after "LiteRt", parameters) */
#define LITERT_FUNCTIONS(X)                                                                             \
  X(LiteRtStatus, CreateEnvironment, (int, const LiteRtEnvironmentOption *, LiteRtHandle *))            \
  X(LiteRtStatus, CreateModelFromFile, (LiteRtHandle environment, const char *, LiteRtHandle *))        \
  X(LiteRtStatus, CreateOptions, (LiteRtHandle *))                                                      \
  X(LiteRtStatus, SetOptionsHardwareAccelerators, (LiteRtHandle, int))                                  \
  X(LiteRtStatus, CreateOpaqueOptions, (const char *, void *, void (*)(void *), LiteRtHandle *))        \
  X(LiteRtStatus, AddOpaqueOptions, (LiteRtHandle, LiteRtHandle))                                       \
  X(LiteRtStatus, CreateCompiledModel, (LiteRtHandle, LiteRtHandle, LiteRtHandle, LiteRtHandle *))      \
  X(void, DestroyCompiledModel, (LiteRtHandle))                                                         \
  X(LiteRtStatus, CompiledModelIsFullyAccelerated, (LiteRtHandle, bool *))                              \
  X(LiteRtStatus, GetModelSignature, (LiteRtHandle, LiteRtIndex, LiteRtHandle *))                       \
  X(LiteRtStatus, GetSignatureSubgraph, (LiteRtHandle, LiteRtHandle *))                                 \
  X(LiteRtStatus, GetNumSubgraphOps, (LiteRtHandle, LiteRtIndex *))                                     \
  X(LiteRtStatus, GetNumSubgraphInputs, (LiteRtHandle, LiteRtIndex *))                                  \
  X(LiteRtStatus, GetNumSubgraphOutputs, (LiteRtHandle, LiteRtIndex *))                                 \
  X(LiteRtStatus, GetSubgraphInput, (LiteRtHandle, LiteRtIndex, LiteRtHandle *))                        \
  X(LiteRtStatus, GetSubgraphOutput, (LiteRtHandle, LiteRtIndex, LiteRtHandle *))                       \
  X(LiteRtStatus, GetTensorName, (LiteRtHandle, const char **))                                         \
  X(LiteRtStatus, GetTensorTypeId, (LiteRtHandle, int *))                                               \
  X(LiteRtStatus, GetRankedTensorType, (LiteRtHandle, LiteRtTensorType *))                              \
  X(LiteRtStatus, GetUnrankedTensorType, (LiteRtHandle, int *))                                         \
  X(LiteRtStatus, GetCompiledModelInputTensorLayout, (LiteRtHandle, LiteRtIndex, LiteRtIndex, LiteRtLayout *)) \
  X(LiteRtStatus, GetCompiledModelOutputTensorLayouts, (LiteRtHandle, LiteRtIndex, size_t, LiteRtLayout *, bool)) \
  X(LiteRtStatus, GetCompiledModelInputBufferRequirements, (LiteRtHandle, LiteRtIndex, LiteRtIndex, LiteRtHandle *)) \
  X(LiteRtStatus, GetCompiledModelOutputBufferRequirements, (LiteRtHandle, LiteRtIndex, LiteRtIndex, LiteRtHandle *)) \
  X(LiteRtStatus, CreateManagedTensorBufferFromRequirements,                                            \
    (LiteRtHandle, const LiteRtTensorType *, LiteRtHandle, LiteRtHandle *))                             \
  X(void, DestroyTensorBuffer, (LiteRtHandle))                                                          \
  X(LiteRtStatus, GetTensorBufferSize, (LiteRtHandle, size_t *))                                        \
  X(LiteRtStatus, LockTensorBuffer, (LiteRtHandle, void **, int))                                       \
  X(LiteRtStatus, UnlockTensorBuffer, (LiteRtHandle))                                                   \
  X(LiteRtStatus, RunCompiledModel,                                                                     \
    (LiteRtHandle, LiteRtIndex, size_t, LiteRtHandle *, size_t, LiteRtHandle *))                        \
  X(LiteRtStatus, CompiledModelGetProfiler, (LiteRtHandle, LiteRtHandle *))                             \
  X(LiteRtStatus, StartProfiler, (LiteRtHandle))                                                        \
  X(LiteRtStatus, StopProfiler, (LiteRtHandle))                                                         \
  X(LiteRtStatus, ResetProfiler, (LiteRtHandle))                                                        \
  X(LiteRtStatus, GetNumProfilerEvents, (LiteRtHandle, int *))                                          \
  X(LiteRtStatus, GetProfilerEvents, (LiteRtHandle, int, LiteRtProfilerEvent *))

/* LiteRtFoo of the library is called as litert.Foo. */
#define LITERT_DECLARE(type, name, parameters) type(*name) parameters;
typedef struct {
  LITERT_FUNCTIONS(LITERT_DECLARE)
} LiteRtApi;
#undef LITERT_DECLARE

#endif
