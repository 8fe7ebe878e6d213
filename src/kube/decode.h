#pragma once
// The decoders of single kinds, for decode.cc. Each takes the object's root and the metadata that
// was read from it, and says what is wrong to the Reader.

#include "kube/objects.h"
#include "kube/reader.h"

namespace bd::kube {

/// labels, annotations, times. Name and namespace were read before, since every finding names the
/// object. False if the annotations can't be read at all: what they ask for is then unknown.
[[nodiscard]] bool decode_meta(const Field& root, Reader& reader, Meta& out);

void decode_ingress(const Field& root, Reader& reader, Ingress& out);
/// For an Ingress that is refused as a whole: its hosts become tombstones.
void break_ingress(const Field& root, const Reader& reader, Ingress& out);
/// Number of paths over all rules.
[[nodiscard]] std::size_t count_paths(const Field& root);

void decode_ingress_class(const Field& root, Reader& reader, IngressClass& out);
void decode_service(const Field& root, Reader& reader, Service& out);
void decode_endpoint_slice(const Field& root, Reader& reader, EndpointSlice& out);

/// False: a Secret or ConfigMap that is nobody's business here. It leaves no trace at all.
[[nodiscard]] bool is_wanted_secret(const Field& root);
[[nodiscard]] bool is_wanted_config_map(const Field& root);
/// What can't be used is said in `problem`, and nothing is reported: only who names it needs it.
void decode_secret(const Field& root, Reader& reader, Secret& out);
void decode_config_map(const Field& root, Reader& reader, ConfigMap& out);

/// A port number; nullopt if it is absent or, with a finding, no port.
[[nodiscard]] std::optional<std::uint16_t> read_port(const Field& at, Reader& reader);

}  // namespace bd::kube
