# bd_protobuf(room [LINK other_pb…]): compiles src/<room>/<room>.proto into the library bd_<room>_pb.
# Generated code is not ours: it is built without warnings and included as a system header. Its header is
# "<room>/<room>.pb.h", for .cc files only; other .proto files import it as "<room>/<room>.proto".
function(bd_protobuf room)
  cmake_parse_arguments(PB "" "" "LINK" ${ARGN})
  set(generated ${CMAKE_BINARY_DIR}/generated)
  set(out ${generated}/${room}/${room}.pb)
  file(MAKE_DIRECTORY ${generated}/${room})
  add_custom_command(
    OUTPUT ${out}.cc ${out}.h
    COMMAND protobuf::protoc -I ${CMAKE_SOURCE_DIR}/src --cpp_out=${generated} ${room}/${room}.proto
    DEPENDS ${CMAKE_SOURCE_DIR}/src/${room}/${room}.proto protobuf::protoc
    VERBATIM)
  add_library(bd_${room}_pb STATIC ${out}.cc)
  target_compile_options(bd_${room}_pb PRIVATE -w)
  target_include_directories(bd_${room}_pb SYSTEM PUBLIC ${generated})
  target_link_libraries(bd_${room}_pb PUBLIC protobuf::libprotobuf-lite ${PB_LINK})
endfunction()
