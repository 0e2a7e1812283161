#include "session.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

LiteRtApi litert;

typedef struct {
  int code;
  const char *name;
  size_t size;
} ElementType;

/* numpy's names: the reader of the report hands them to numpy.dtype. */
static const ElementType ELEMENT_TYPES[] = {
    {1, "float32", 4}, {2, "int32", 4},  {3, "uint8", 1},   {4, "int64", 8},    {6, "bool", 1},      {7, "int16", 2},
    {8, "complex64", 8}, {9, "int8", 1}, {10, "float16", 2}, {11, "float64", 8}, {12, "complex128", 16},
    {13, "uint64", 8}, {16, "uint32", 4}, {17, "uint16", 2},
};

static const ElementType *element_type(int code) {
  for (size_t i = 0; i < sizeof ELEMENT_TYPES / sizeof *ELEMENT_TYPES; i++)
    if (ELEMENT_TYPES[i].code == code) return &ELEMENT_TYPES[i];
  fail("the model has an input or output of element type %d (TfLiteType), which this runner cannot fill or read", code);
}

const char *element_name(int code) { return element_type(code)->name; }

size_t byte_count(const LiteRtTensorType *type) {
  size_t bytes = element_type(type->element_type)->size;
  for (unsigned i = 0; i < type->layout.rank; i++) {
    if (type->layout.dimensions[i] < 0) return 0;
    bytes *= (size_t)type->layout.dimensions[i];
  }
  return bytes;
}

static const char *status_name(LiteRtStatus status) {
  static const struct { LiteRtStatus code; const char *name; } NAMES[] = {
      {1, "invalid argument"},   {2, "out of memory"},     {3, "runtime failure"}, {4, "missing input tensor"},
      {5, "unsupported"},        {6, "not found"},         {7, "time-out"},        {8, "wrong version"},
      {500, "file error"},       {501, "invalid flatbuffer"}, {502, "dynamic loading"}, {503, "serialization"},
      {504, "compilation"},      {1000, "index out of bounds"}, {1001, "invalid type"}, {1002, "invalid graph"}};
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
    if (NAMES[i].code == status) return NAMES[i].name;
  return "unknown status";
}

void check(LiteRtStatus status, const char *step) {
  if (status) fail("%s: %s (status %d)", step, status_name(status), status);
}

static void load_library(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (!library) fail("cannot load the LiteRT library: %s", dlerror());
#define LOAD(type, name, parameters)                                                       \
  litert.name = (type(*) parameters)dlsym(library, "LiteRt" #name);                        \
  if (!litert.name) fail("%s has no LiteRt%s: ai-edge-litert 2.2 or 2.3 is wanted", path, #name);
  LITERT_FUNCTIONS(LOAD)
#undef LOAD
}

void open_session(Session *session, const Arguments *arguments) {
  memset(session, 0, sizeof *session);
  load_library(arguments->library);
  session->on_gpu = strncmp(arguments->delegate, "gpu", 3) == 0;

  LiteRtEnvironmentOption options[2] = {0};
  int count = 0;
  options[count].tag = LITERT_ENV_AUTO_REGISTER_ACCELERATORS;
  options[count].value.type = LITERT_ANY_INT;
  options[count++].value.int_value = LITERT_ACCELERATOR_CPU | (session->on_gpu ? LITERT_ACCELERATOR_GPU : 0);
  if (*arguments->plugins) {
    options[count].tag = LITERT_ENV_RUNTIME_LIBRARY_DIR;
    options[count].value.type = LITERT_ANY_STRING;
    options[count++].value.string_value = arguments->plugins;
  }
  check(litert.CreateEnvironment(count, options, &session->environment), "creating the runtime's environment");
  check(litert.CreateModelFromFile(session->environment, arguments->model, &session->model), "loading the model");

  LiteRtHandle signature, subgraph;
  /* A model without a named signature gets a default one from the runtime, so index 0 is always there. */
  check(litert.GetModelSignature(session->model, 0, &signature), "reading the model's signature");
  check(litert.GetSignatureSubgraph(signature, &subgraph), "reading the model's graph");
  check(litert.GetNumSubgraphOps(subgraph, &session->node_count), "counting nodes");
  check(litert.GetNumSubgraphInputs(subgraph, &session->input_count), "counting inputs");
  check(litert.GetNumSubgraphOutputs(subgraph, &session->output_count), "counting outputs");
  if (session->input_count > MAX_TENSORS || session->output_count > MAX_TENSORS)
    fail("the model has %zu inputs and %zu outputs; at most %d are supported", session->input_count,
         session->output_count, MAX_TENSORS);

  /* Names and types come in the graph's order, not the signature's: it is the order of the buffers of a run. */
  for (LiteRtIndex i = 0; i < session->input_count + session->output_count; i++) {
    bool is_input = i < session->input_count;
    Tensor *tensor = is_input ? &session->inputs[i] : &session->outputs[i - session->input_count];
    LiteRtHandle handle;
    int unranked;
    check(is_input ? litert.GetSubgraphInput(subgraph, i, &handle)
                   : litert.GetSubgraphOutput(subgraph, i - session->input_count, &handle), "reading a tensor");
    check(litert.GetTensorName(handle, &tensor->name), "reading a tensor's name");
    check(litert.GetTensorTypeId(handle, &unranked), "reading a tensor's type");
    if (unranked) check(litert.GetUnrankedTensorType(handle, &tensor->type.element_type), "reading a tensor's type");
    else check(litert.GetRankedTensorType(handle, &tensor->type), "reading a tensor's type");
  }
}

static void add_options(LiteRtHandle options, const char *identifier, const char *text) {
  LiteRtHandle opaque;
  check(litert.CreateOpaqueOptions(identifier, strdup(text), free, &opaque), "creating options");
  check(litert.AddOpaqueOptions(options, opaque), "adding options");
}

static LiteRtHandle compile_options(const Arguments *arguments, bool on_gpu, bool with_profiler) {
  enum { XNNPACK_FORCE_FP16 = 4 };
  enum { GPU_FP16 = 1, GPU_FP32 = 2 }; /* LiteRtDelegatePrecision; 0 leaves it to the delegate */
  static const struct { const char *delegate, *kernels; int flags, precision; } MODES[] = {
      {"xnnpack", "delegate", 0, 0}, {"xnnpack-fp16", "delegate", XNNPACK_FORCE_FP16, 0},
      {"cpu", "builtin", 0, 0},      {"cpu-reference", "reference", 0, 0},
      /* what the GPU leaves is run without XNNPACK, so that it shows as not taken */
      {"gpu-webgpu", "builtin", 0, GPU_FP32}, {"gpu-webgpu-fp16", "builtin", 0, GPU_FP16},
  };
  LiteRtHandle options;
  check(litert.CreateOptions(&options), "creating options");
  int accelerators = LITERT_ACCELERATOR_CPU | (on_gpu ? LITERT_ACCELERATOR_GPU : 0);
  check(litert.SetOptionsHardwareAccelerators(options, accelerators), "choosing the accelerator");
  for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++) {
    if (strcmp(MODES[i].delegate, arguments->delegate) != 0) continue;
    char text[128];
    int length = snprintf(text, sizeof text, "kernel_mode = \"%s\"\nnum_threads = %d\n", MODES[i].kernels,
                          arguments->threads);
    if (MODES[i].flags) snprintf(text + length, sizeof text - length, "flags = %d\n", MODES[i].flags);
    add_options(options, "xnnpack", text);
    if (on_gpu) {
      snprintf(text, sizeof text, "precision = %d\n", MODES[i].precision);
      add_options(options, "gpu_options", text);
    }
    if (with_profiler) add_options(options, "runtime_options_string", "enable_profiling = true\n");
    return options;
  }
  fail("unknown delegate %s: xnnpack, xnnpack-fp16, cpu, cpu-reference, gpu-webgpu and gpu-webgpu-fp16 are known", arguments->delegate);
}

static void read_input(Tensor *tensor, const char *path, void *memory) {
  FILE *file = fopen(path, "rb");
  if (!file) fail("cannot open the input file %s", path);
  size_t wanted = byte_count(&tensor->type), got = fread(memory, 1, wanted, file);
  bool longer = fgetc(file) != EOF;
  fclose(file);
  if (got != wanted || longer)
    fail("input file %s does not fit tensor %s: the tensor takes %zu bytes, the file has %s%zu", path, tensor->name,
         wanted, longer ? "more than " : "", got);
}

/* Numbers in [0, 1) that differ from place to place: zeros would let kernels take short cuts. */
static void make_up_input(Tensor *tensor, void *memory) {
  memset(memory, 0, tensor->capacity);
  if (tensor->type.element_type != 1) return;
  float *values = memory;
  for (size_t i = 0; i < byte_count(&tensor->type) / sizeof *values; i++)
    values[i] = (float)(i * 2654435761u % 1000) / 1000.f;
}

static void make_input(Session *session, const Arguments *arguments, LiteRtIndex i) {
  Tensor *tensor = &session->inputs[i];
  LiteRtHandle requirements;
  void *memory;
  check(litert.GetCompiledModelInputTensorLayout(session->compiled, 0, i, &tensor->type.layout),
        "reading an input's shape");
  check(litert.GetCompiledModelInputBufferRequirements(session->compiled, 0, i, &requirements), "sizing an input");
  check(litert.CreateManagedTensorBufferFromRequirements(session->environment, &tensor->type, requirements,
                                                         &tensor->buffer), "allocating an input");
  check(litert.GetTensorBufferSize(tensor->buffer, &tensor->capacity), "sizing an input");
  check(litert.LockTensorBuffer(tensor->buffer, &memory, LITERT_LOCK_WRITE), "filling an input");
  if (arguments->input_count) read_input(tensor, arguments->inputs[i], memory);
  else make_up_input(tensor, memory);
  check(litert.UnlockTensorBuffer(tensor->buffer), "filling an input");
}

/* The file may leave a dimension open; after the allocation asked for here the runtime knows every shape, except those
 * that depend on the data. Those outputs the compiled-model API cannot return: a run then fails, and says so. */
static void read_output_shapes(Session *session) {
  LiteRtLayout layouts[MAX_TENSORS] = {0};
  check(litert.GetCompiledModelOutputTensorLayouts(session->compiled, 0, session->output_count, layouts, true),
        "reading the outputs' shapes");
  for (LiteRtIndex i = 0; i < session->output_count; i++) session->outputs[i].type.layout = layouts[i];
}

static void make_output(Session *session, LiteRtIndex i) {
  Tensor *tensor = &session->outputs[i];
  LiteRtHandle requirements;
  check(litert.GetCompiledModelOutputBufferRequirements(session->compiled, 0, i, &requirements), "sizing an output");
  check(litert.CreateManagedTensorBufferFromRequirements(session->environment, &tensor->type, requirements,
                                                         &tensor->buffer), "allocating an output");
  check(litert.GetTensorBufferSize(tensor->buffer, &tensor->capacity), "sizing an output");
}

void compile(Session *session, const Arguments *arguments, bool with_profiler) {
  LiteRtHandle options = compile_options(arguments, session->on_gpu, with_profiler);
  check(litert.CreateCompiledModel(session->environment, session->model, options, &session->compiled),
        "compiling the model for the delegate");
  check(litert.CompiledModelIsFullyAccelerated(session->compiled, &session->fully_delegated), "asking the delegate");
  if (arguments->input_count && (LiteRtIndex)arguments->input_count != session->input_count)
    fail("%d input files were given, the model has %zu inputs", arguments->input_count, session->input_count);
  for (LiteRtIndex i = 0; i < session->input_count; i++) make_input(session, arguments, i);
  read_output_shapes(session);
  for (LiteRtIndex i = 0; i < session->output_count; i++) make_output(session, i);
}

void close_compiled(Session *session) {
  for (LiteRtIndex i = 0; i < session->input_count; i++) litert.DestroyTensorBuffer(session->inputs[i].buffer);
  for (LiteRtIndex i = 0; i < session->output_count; i++) litert.DestroyTensorBuffer(session->outputs[i].buffer);
  litert.DestroyCompiledModel(session->compiled);
}

void run_once(Session *session) {
  LiteRtHandle inputs[MAX_TENSORS], outputs[MAX_TENSORS];
  for (LiteRtIndex i = 0; i < session->input_count; i++) inputs[i] = session->inputs[i].buffer;
  for (LiteRtIndex i = 0; i < session->output_count; i++) outputs[i] = session->outputs[i].buffer;
  check(litert.RunCompiledModel(session->compiled, 0, session->input_count, inputs, session->output_count, outputs),
        "running the model");
  if (session->on_gpu && session->output_count) {
    void *memory;
    check(litert.LockTensorBuffer(outputs[0], &memory, LITERT_LOCK_READ), "reading an output back");
    check(litert.UnlockTensorBuffer(outputs[0]), "reading an output back");
  }
}
