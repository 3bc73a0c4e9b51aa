// A GPU for torch without CUDA. Its tensors have the device cuda:0 and lie in the machine's memory, so a kernel of the
// CPU can work on them. Every operation comes to `on_cpu`, which refuses what a GPU refuses, operands on two devices,
// and lets torch's own fallback compute. All that torch builds from these operations, autograd too, is its own.
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_cpu_dispatch.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_as_complex_native.h>
#include <ATen/ops/view_as_real_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

using at::Tensor;

namespace {
const c10::Device GPU(c10::kCUDA, 0);
const c10::Stream STREAM(c10::Stream::DEFAULT, GPU);

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* data = std::malloc(std::max<size_t>(bytes, 1));
    return {data, data, &std::free, GPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
} memory;

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device) const override { return GPU; }
  c10::Device getDevice() const override { return GPU; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return STREAM; }
  c10::Stream exchangeStream(c10::Stream) const override { return STREAM; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard);
}  // namespace

namespace at {
struct CUDAHooks final : CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  Allocator* getPinnedMemoryAllocator() const override { return GetAllocator(DeviceType::CPU); }
};
REGISTER_CUDA_HOOKS(CUDAHooks)
}  // namespace at

namespace {
const bool ready = (c10::SetAllocator(c10::kCUDA, &memory), true);

// --- what needs a kernel of its own, as it makes or moves memory, or looks at it otherwise

Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
             std::optional<c10::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory, c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                   c10::dtype_or_default(dtype), format);
}

Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                     std::optional<at::Layout>, std::optional<c10::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory, c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                           c10::dtype_or_default(dtype));
}

// The same memory as a tensor of the CPU.
Tensor seen_by_cpu(const Tensor& x) {
  if (!x.is_cuda()) return x;
  Tensor seen = at::for_blob(x.data_ptr(), x.sizes()).strides(x.strides()).deleter([x](void*) {})
                    .options(x.options().device(c10::kCPU)).make_tensor();
  seen._set_conj(x.is_conj());  // a conjugate is the same numbers and this mark, the imaginary part of one is
  seen._set_neg(x.is_neg());    // marked as negated
  return seen;
}

Tensor& copy_(Tensor& to, const Tensor& from, bool) {
  seen_by_cpu(to).copy_(seen_by_cpu(from));
  return to;
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool) {
  Tensor target = to;
  return copy_(target, from, false);
}

Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  at::native::resize_(to, from.sizes(), std::nullopt);
  return copy_from(from, to, false);
}

at::Scalar item(const Tensor& x) { return seen_by_cpu(x).item(); }

Tensor unfold(const Tensor& x, int64_t dim, int64_t size, int64_t step) {
  Tensor seen = seen_by_cpu(x).unfold(dim, size, step);
  return x.as_strided(seen.sizes(), seen.strides(), x.storage_offset());
}

Tensor as_strided(const Tensor& x, c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(x, size, stride, offset);
}

// Both are how torch.save and torch.load reach the memory.
Tensor& set_storage(Tensor& x, at::Storage source) { return at::native::set_(x, source); }

Tensor& set_part_of_storage(Tensor& x, at::Storage source, int64_t offset, c10::IntArrayRef size,
                            c10::IntArrayRef stride) {
  return at::cpu::set_(x, source, offset, size, stride);
}

// --- everything else

void on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  // On a GPU a number may come from the CPU, and so may indices; all else must lie where the others do.
  const auto& arguments = op.schema().arguments();
  bool gpu = false, cpu = false;
  auto look = [&](const Tensor& x) {
    gpu |= x.defined() && x.is_cuda();
    cpu |= x.defined() && !x.is_cuda() && x.dim() > 0;
  };
  for (size_t n = 0; n < arguments.size(); n++) {
    const c10::IValue& value = (*stack)[stack->size() - arguments.size() + n];
    if (value.isTensor()) look(value.toTensor());
    if (value.isList() && arguments[n].name() != "indices")
      for (const c10::IValue& one : value.toListRef())
        if (one.isTensor()) look(one.toTensor());
  }
  TORCH_CHECK(!(gpu && cpu),
              "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! (in ",
              op.schema().name(), ")");
  at::native::cpu_fallback(op, stack);
}

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_cpu>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("copy_", copy_);
  m.impl("_copy_from", copy_from);
  m.impl("_copy_from_and_resize", copy_from_and_resize);
  m.impl("_local_scalar_dense", item);
  m.impl("as_strided", as_strided);
  m.impl("unfold", unfold);
  m.impl("view", at::native::view);
  m.impl("view_as_complex", at::native::view_as_complex);
  m.impl("view_as_real", at::native::view_as_real);
  m.impl("_reshape_alias", at::native::_reshape_alias);
  m.impl("resize_", at::native::resize_);
  m.impl("set_.source_Tensor", at::native::set_tensor_);
  m.impl("set_.source_Storage", set_storage);
  m.impl("set_.source_Storage_storage_offset", set_part_of_storage);
  // torch would take other kernels for a GPU than the CPU has.
  m.impl("convolution", torch::CppFunction::makeFromBoxedFunction<&on_cpu>());
  m.impl("convolution_backward", torch::CppFunction::makeFromBoxedFunction<&on_cpu>());
}
}  // namespace
