#include "unitgain/model.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "allocations.hpp"
#include "check.hpp"
#include "every_node.hpp"
#include "model/json.hpp"
#include "model/safetensors.hpp"
#include "model/sha256.hpp"
#include "unitgain/error.hpp"
#include "unitgain/network.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::tests {

namespace {

namespace fs = std::filesystem;

// A folder that is gone with the test.
struct Folder {
  Folder() {
    std::random_device device;
    path = fs::temp_directory_path() / ("unitgain-" + std::to_string(device()));
    fs::create_directory(path);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What an error says; empty if there is none.
template <class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

// A file with this header and so many bytes of arrays.
std::string file_of(const std::string& header, std::size_t bytes = 0) {
  std::string made;
  for (int i = 0; i < 8; ++i) made += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return made + header + std::string(bytes, '\0');
}

Model load(const std::string& content) {
  return load_model(std::as_bytes(std::span(content)));
}

// Predictions of all outputs for the same samples.
template <class T>
std::vector<std::vector<T>> predictions(const Model& model, Index rows, Index batch_size = 0) {
  std::vector<std::vector<T>> x, y;
  std::vector<SampleArray> from;
  std::vector<OutputArray> to;
  for (const ModelTensor& input : model.inputs()) {
    std::vector<T>& values = x.emplace_back(static_cast<std::size_t>(rows * input.size));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = T(std::cos(double(i)));
  }
  for (const ModelTensor& output : model.outputs()) {
    y.emplace_back(static_cast<std::size_t>(rows * output.size));
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    from.emplace_back(x[i].data(), rows, model.inputs()[i].size);
  }
  for (std::size_t i = 0; i < y.size(); ++i) {
    to.emplace_back(y[i].data(), rows, model.outputs()[i].size);
  }
  model.predict(from, to, batch_size);
  return y;
}

// 64 inputs, two dense layers, ten outputs.
template <class T>
Network<T> classifier(Index width = 96) {
  Graph<T> graph;
  int count = 0;
  const auto parameter = [&](const char* name, std::vector<Index> shape) {
    auto made = std::make_shared<Parameter<T>>(name, std::move(shape));
    for (Index i = 0; i < made->size(); ++i) made->data()[i] = T(0.1 * std::sin(double(++count)));
    return made;
  };
  NodeId x = graph.input({1, 64});
  x = graph.dense(x, parameter("kernel", {64, width}), parameter("bias", {width}));
  x = graph.activation(x, activation_spec("relu"));
  x = graph.dense(x, parameter("kernel", {width, 10}), parameter("bias", {10}));
  x = graph.softmax(x);
  return {std::move(graph), x};
}

}  // namespace

UNITGAIN_TEST(sha256_gives_the_known_answers) {
  const auto digest = [](const std::string& text, std::size_t pieces) {
    model::Sha256 made;
    for (std::size_t at = 0; at < text.size(); at += pieces) made.update(text.substr(at, pieces));
    return made.digest();
  };
  const std::pair<std::string, const char*> known[] = {
      // FIPS 180-4's examples, and the empty text.
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1'000'000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  for (const auto& [message, expected] : known) {
    for (const std::size_t pieces : {1, 7, 64, 1000}) {
      CHECK(digest(message, pieces) == expected, message.size() << " in pieces of " << pieces);
    }
  }
}

UNITGAIN_TEST(json_is_read_as_it_is_written) {
  const auto json = model::Json::parse(
      R"( {"a": [1, -2, 18446744073709551615, 1.5e1, true, null], "b/\u00e9\ud83d\ude00é": {}} )",
      "it");
  const auto& a = json.at("a", "it").array("a");
  CHECK(a[0].integer("") == 1 && a[1].integer("") == -2, "integers");
  CHECK(std::get<std::uint64_t>(a[2].value) == ~std::uint64_t{0}, "a large integer");
  CHECK(std::get<double>(a[3].value) == 15, "a number");
  CHECK(json.find("b/é😀é") != nullptr && json.find("c") == nullptr, "names");
  CHECK(has(refusal([&] { json.at("c", "it"); }), "it has no 'c'"), "at");
  CHECK(has(refusal([&] { a[3].integer("x"); }), "x is a number, expected an integer"), "type");
}

UNITGAIN_TEST(what_is_no_json_is_refused) {
  const std::pair<std::string, const char*> texts[] = {
      {"", "no value comes at byte 0"},
      {"[1, 2", "neither ',' nor ']' comes at byte 5"},
      {"[1,]", "no value comes at byte 3"},
      {"{\"a\" 1}", "no ':' comes at byte 5"},
      {"{1: 2}", "no name comes"},
      {"{\"a\":1,\"b\":2,\"a\":3}", "the name 'a' twice"},
      {"01", "no value comes"},
      {"1.", "no digits behind its point"},
      {"1e", "no digits in its exponent"},
      {"1e999", "out of range"},
      {"+1", "no value comes"},
      {"tru", "no value comes"},
      {"1 2", "something follows its end at byte 2"},
      {"\"a", "a text does not end"},
      {"\"\n\"", "control character"},
      {"\"\\x\"", "unknown escape"},
      {"\"\\u12g4\"", "four hexadecimal digits"},
      {"\"\\ud800\"", "half of a pair"},
      {"\"\\ud800\\u0041\"", "half of a pair"},
      {"\"\\udc00\"", "half of a pair"},
      {"\"\xff\"", "no UTF-8"},
      {"\"\xc0\x80\"", "no UTF-8"},          // more bytes than it needs
      {"\"\xe0\x80\x80\"", "no UTF-8"},      // the same
      {"\"\xed\xa0\x80\"", "no UTF-8"},      // half of a pair
      {"\"\xf4\x90\x80\x80\"", "no UTF-8"},  // above U+10FFFF
      {"\"\xe2\x82\"", "no UTF-8"},          // cut off
      {std::string(100'000, '['), "nested too deeply"}};
  for (const auto& [json, problem] : texts) {
    const std::string said = refusal([&] { model::Json::parse(json, "it"); });
    CHECK(has(said, problem), "'" << json.substr(0, 20) << "': " << said);
  }
}

UNITGAIN_TYPED_TEST(a_saved_network_is_loaded_with_the_bits_of_its_predictions) {
  const Folder folder;
  const Every<T> every;
  const Network<T> network(every.graph, every.outputs);
  save_model(folder.path / "m.safetensors", network, {{"a", "b"}, {}});
  const Model model = load_model(folder.path / "m.safetensors");
  CHECK(model.dtype() == element_type_of<T>(), "dtype");
  CHECK(model.inputs()[0].name == "a" && model.outputs()[1].name == "output_1", "names");
  CHECK((model.inputs()[0].shape == std::vector<Index>{2, 6}), "shape");
  const auto found = predictions<T>(model, 5);
  // The same network, by its own means.
  const Model other = load(contents(folder.path / "m.safetensors"));
  CHECK(predictions<T>(other, 5) == found, "from memory");
  std::vector<T> x(5 * 12);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = T(std::cos(double(i)));
  const std::vector<SampleArray> inputs(2, {x.data(), 5, 12});
  std::vector<std::vector<T>> expected(found.size());
  std::vector<T*> to;
  for (std::size_t i = 0; i < found.size(); ++i) {
    expected[i].resize(found[i].size());
    to.push_back(expected[i].data());
  }
  network.predict(inputs, to, 5);
  CHECK(found == expected, "bits");
  const auto& loaded = model.template network<T>();
  CHECK(to_json(loaded.graph().describe()->description) ==
            to_json(load_model(folder.path / "m.safetensors")
                        .template network<T>()
                        .graph()
                        .describe()
                        ->description),
        "graph");
}

UNITGAIN_TEST(samples_of_every_element_type_are_taken) {
  const Folder folder;
  const fs::path path = folder.path / "m.safetensors";
  save_model(path, classifier<float>());
  const Model model = load_model(path);
  const auto outputs = [&]<class From>(From) {
    std::vector<From> x(3 * 64);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<From>(i % 17);
    std::vector<float> y(3 * 10);
    model.predict({x.data(), 3, 64}, {y.data(), 3, 10});
    return y;
  };
  const auto expected = outputs(0.0f);
  CHECK(outputs(0.0) == expected && outputs(std::int32_t{}) == expected, "");
  CHECK(outputs(std::int64_t{}) == expected && outputs(std::uint8_t{}) == expected, "");
}

UNITGAIN_TEST(arguments_that_do_not_fit_a_model_are_refused) {
  const Folder folder;
  const fs::path path = folder.path / "m.safetensors";
  save_model(path, classifier<float>());
  const Model model = load_model(path);
  std::vector<float> x(64 * 4), y(10 * 4);
  std::vector<double> wide(10 * 4);
  const auto said = [&](const SampleArray& from, const OutputArray& to, Index batch = 0) {
    return refusal([&] { model.predict(from, to, batch); });
  };
  CHECK(said({x.data(), 4, 64}, {y.data(), 4, 10}).empty(), "");
  CHECK(has(said({x.data(), 4, 60}, {y.data(), 4, 10}), "x has 4 rows of 60 values, expected"), "");
  CHECK(has(said({x.data(), -4, 64}, {y.data(), -4, 10}), "x has -4 rows"), "");
  CHECK(has(said({x.data(), 4, 64}, {y.data(), 3, 10}), "y has 3 rows of 10 values, expected"), "");
  CHECK(has(said({x.data(), 4, 64}, {wide.data(), 4, 10}), "y is float64, but the model's"), "");
  CHECK(has(said({x.data(), 4, 64}, {y.data(), 4, 10}, -1), "batch_size is -1"), "");
  CHECK(has(refusal([&] { model.predict({}, {}); }), "0 inputs and 0 outputs are given"), "");
  CHECK(has(refusal([&] { model.network<double>(); }), "the model is one of float32"), "");
  CHECK(said({x.data(), 0, 64}, {y.data(), 0, 10}).empty(), "no samples");
}

UNITGAIN_TEST(a_prediction_of_a_known_size_allocates_nothing) {
  const Folder folder;
  const fs::path path = folder.path / "m.safetensors";
  for (const Index width : {96, 700}) {
    save_model(path, classifier<float>(width));
    const Model model = load_model(path);
    for (const Index rows : {1, 450}) {
      std::vector<float> x(static_cast<std::size_t>(rows) * 64, 0.5f);
      std::vector<float> y(static_cast<std::size_t>(rows) * 10);
      const auto predict = [&] { model.predict({x.data(), rows, 64}, {y.data(), rows, 10}); };
      for (int i = 0; i < 50; ++i) predict();
      const long before = allocations();
      for (int i = 0; i < 1000; ++i) predict();
      CHECK(allocations() == before,
            allocations() - before << " of " << rows << " rows, width " << width);
    }
  }
}

UNITGAIN_TEST(many_threads_predict_with_one_model) {
  const Folder folder;
  const fs::path path = folder.path / "m.safetensors";
  save_model(path, classifier<float>());
  const Model model = load_model(path);
  const Index sizes_of_batches[] = {1, 3, 40, 450};
  std::vector<std::vector<std::vector<float>>> expected;
  for (const Index rows : sizes_of_batches) expected.push_back(predictions<float>(model, rows));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 100; ++i) {
        const std::size_t which = (t + i) % 4;
        wrong += predictions<float>(model, sizes_of_batches[which]) != expected[which];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0, wrong << " are wrong");
}

// More batch sizes than plans are kept.
UNITGAIN_TEST(batches_of_many_sizes_give_the_same_bits) {
  const Folder folder;
  const fs::path path = folder.path / "m.safetensors";
  save_model(path, classifier<float>());
  const Model model = load_model(path);
  const auto expected = predictions<float>(model, 40)[0];
  for (int turn = 0; turn < 2; ++turn) {
    for (Index rows = 1; rows <= 40; ++rows) {
      const auto found = predictions<float>(model, rows)[0];
      for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK_NEAR(found[i], double(expected[i]), 1e-6, "rows = " << rows << ", i = " << i);
      }
    }
  }
}

UNITGAIN_TEST(arrays_of_16_bits_are_widened_exactly) {
  for (const char* dtype : {"F16", "BF16", "F32"}) {
    const std::size_t width = dtype[1] == '3' ? 4 : 2;
    constexpr std::size_t count = 1 << 16;
    const std::string header =
        std::string(R"({"__metadata__":{"format":"unitgain","description":"{\"version\":1,)") +
        R"(\"dtype\":\"float64\",\"graph\":{\"nodes\":[{\"kind\":\"input\",\"attributes\":)" +
        R"({\"rows\":1,\"cols\":1}},{\"kind\":\"dense\",\"inputs\":[0],\"parameters\":)" +
        R"({\"kernel\":\"k\"}}],\"outputs\":[1]}}"},"k":{"dtype":")" + dtype +
        R"(","shape":[1,65536],"data_offsets":[0,)" + std::to_string(count * width) + "]}}";
    std::string content = file_of(header, count * width);
    const std::size_t begin = content.size() - count * width;
    for (std::size_t i = 0; i < count; ++i) {
      if (width == 4) {
        const auto value = static_cast<float>(i) + 0.1f;
        std::copy_n(reinterpret_cast<const char*>(&value), 4, content.data() + begin + 4 * i);
      } else {
        content[begin + 2 * i] = static_cast<char>(i & 0xff);
        content[begin + 2 * i + 1] = static_cast<char>(i >> 8);
      }
    }
    const Model model = load(content);
    const auto weights = model.network<double>().parameters()[0];
    for (std::size_t i = 0; i < count; ++i) {
      const double found = weights->data()[i];
      double expected = static_cast<float>(i) + 0.1f;
      if (width == 2) {
        // IEEE 754: 5 and 10 bits of exponent and fraction, or 8 and 7.
        const int fraction_bits = dtype[0] == 'F' ? 10 : 7, bias = dtype[0] == 'F' ? 15 : 127;
        const auto fraction = static_cast<double>(i & ((1u << fraction_bits) - 1));
        const int exponent = static_cast<int>((i & 0x7fff) >> fraction_bits);
        const double one = std::ldexp(1.0, fraction_bits);
        expected = exponent == 0 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                 : std::ldexp(one + fraction, exponent - bias - fraction_bits);
        if (exponent == 2 * bias + 1) expected = fraction == 0 ? INFINITY : NAN;
        if (i >> 15 != 0) expected = -expected;
      }
      CHECK_NEAR(found, expected, 0.0, dtype << ", i = " << i);
      CHECK(std::isnan(expected) || std::signbit(found) == std::signbit(expected), "i = " << i);
    }
  }
}

UNITGAIN_TEST(files_that_hold_no_model_say_why) {
  const auto said = [](const std::string& content) { return refusal([&] { load(content); }); };
  const auto described = [](const std::string& description) {
    std::string escaped;
    for (const char c : description) escaped.append(c == '"' ? "\\" : "").push_back(c);
    return file_of(R"({"__metadata__":{"format":"unitgain","description":")" + escaped + "\"}}");
  };
  const auto graph = [&](const std::string& nodes, const std::string& outputs = "[1]") {
    return said(described(R"({"version":1,"dtype":"float32","graph":{"nodes":)" + nodes +
                          R"(,"outputs":)" + outputs + "}}"));
  };
  const auto array = [&](const std::string& entry, std::size_t bytes = 16) {
    return said(file_of("{\"k\":" + entry + "}", bytes));
  };
  CHECK(has(said(""), "0 bytes, too few"), said(""));
  CHECK(has(said("\x89HDF\r\n\x1a\n and more"), "no safetensors file"), "");
  CHECK(has(said(file_of("{}").substr(0, 9)), "by its first bytes the header has 2 bytes, of 9"),
        "");
  CHECK(has(said(file_of("[]")), "the header is an array, expected an object"), "");
  CHECK(has(said(file_of("{\"\xff\": 1}")), "no UTF-8"), "");
  CHECK(has(said(file_of("{}", 4)), "bytes follow the last array"), "");
  CHECK(has(said(file_of("{}")), "no description of a unitgain model"), "");
  CHECK(has(array(R"({"dtype":"F32","shape":[4],"data_offsets":[0,20]})"), "does not lie within"),
        "");
  CHECK(has(array(R"({"dtype":"F32","shape":[4],"data_offsets":[8,0]})"), "does not lie within"),
        "");
  CHECK(has(array(R"({"dtype":"F32","shape":[5],"data_offsets":[0,16]})"), "does not fill 16"), "");
  CHECK(has(array(R"({"dtype":"F32","shape":[-4],"data_offsets":[0,16]})"), "below 0"), "");
  CHECK(has(array(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]})"),
            "does not fill"),
        "");
  CHECK(has(array(R"({"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,16]})"),
            "expected an integer below 2^63"),
        "");
  CHECK(has(array(R"({"dtype":"F7","shape":[4],"data_offsets":[0,16]})"), "the dtype 'F7'"), "");
  CHECK(has(array(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1})"), "has more"), "");
  CHECK(has(array(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                  R"("l":{"dtype":"F32","shape":[3],"data_offsets":[4,16]})"),
            "two arrays overlap"),
        "");
  CHECK(has(array(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                  R"("l":{"dtype":"F32","shape":[1],"data_offsets":[12,16]})"),
            "a gap"),
        "");
  CHECK(has(said(described("{")), "the description is no JSON"), "");
  CHECK(has(said(described(R"({"version":2})")), "not one of version 1"), "");
  CHECK(has(said(described(R"({"version":1,"ensemble":3})")), "an ensemble"), "");
  CHECK(has(said(described(R"({"version":1,"model":{}})")), "written in Python"), "");
  CHECK(has(said(described(R"({"version":1,"weights":[]})")), "weights alone"), "");
  const std::string input = R"({"kind":"input","attributes":{"rows":1,"cols":3}})";
  CHECK(graph("[" + input + R"(,{"kind":"softmax","inputs":[0]}])").empty(), "a graph");
  CHECK(has(graph("{}"), "nodes is an object, expected an array"), "");
  CHECK(has(graph("[" + input + R"(,{"kind":"softmax","inputs":[1]}])"), "no node 1"), "a cycle");
  CHECK(has(graph("[" + input + R"(,{"kind":"softmax","inputs":[-1]}])"), "no node -1"), "");
  CHECK(has(graph("[" + input + R"(,{"kind":"sofdmax","inputs":[0]}])"), "unknown node kind"), "");
  CHECK(has(graph("[" + input + R"(,{"kind":"custom","inputs":[0]}])"), "unknown node kind"), "");
  CHECK(has(graph("[" + input + R"(,{"kind":"softmax","inputs":[0],"code":"x"}])"), "has 'code'"),
        "");
  CHECK(has(graph("[" + input + R"(,{"kind":"dense","inputs":[0],"parameters":{"kernel":"k"}}])"),
            "no array 'k', which the graph reads"),
        "");
  CHECK(has(graph("[" + input + "]", "[]"), "a network needs outputs"), "");
  CHECK(has(graph("[" + input + "]", "[7]"), "no node 7"), "");
  CHECK(has(graph("[]", "[]"), "the graph has no input"), "");
  const Folder folder;
  bool missing = false, folder_refused = false;
  try {
    load_model(folder.path / "none.safetensors");
  } catch (const std::system_error& error) {
    missing = has(error.what(), "none.safetensors");
  }
  try {
    load_model(folder.path);
  } catch (const std::system_error&) {
    folder_refused = true;
  }
  CHECK(missing && folder_refused, "files that cannot be read");
  std::ofstream(folder.path / "bad.safetensors") << "bad";
  const std::string named = refusal([&] { load_model(folder.path / "bad.safetensors"); });
  CHECK(has(named, "bad.safetensors cannot be loaded: there are 3 bytes"), named);
}

// Every damaged file is refused with an error or makes a model that runs, or refuses to.
UNITGAIN_TEST(damaged_files_do_no_harm) {
  const Folder folder;
  const Every<float> every;
  save_model(folder.path / "m.safetensors", Network<float>(every.graph, every.outputs));
  const std::string whole = contents(folder.path / "m.safetensors");
  std::size_t header = 0;
  for (int i = 7; i >= 0; --i) header = header << 8 | static_cast<unsigned char>(whole[i]);
  std::mt19937 generator(7);
  const auto draw = [&](std::size_t n) { return static_cast<std::size_t>(generator() % n); };
  static constexpr std::string_view telling = "0123456789[]{}\",:-.e\\tfn";
  int refused = 0, loaded = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string content = whole;
    if (round % 8 == 0) {
      content.resize(draw(whole.size()));
    } else {
      for (std::size_t change = 0; change <= draw(3); ++change) {
        const std::size_t at = 8 + draw(header);
        switch (draw(4)) {
          case 0:
            content[at] = static_cast<char>(draw(256));
            break;
          case 1:
            content[at] = telling[draw(telling.size())];
            break;
          case 2:  // a digit for another, where there is one near
            for (std::size_t i = at; i < 8 + header; ++i) {
              if (content[i] < '0' || content[i] > '9') continue;
              content[i] = static_cast<char>('0' + draw(10));
              break;
            }
            break;
          default:
            std::swap(content[at], content[8 + draw(header)]);
        }
      }
    }
    try {
      const Model model = load(content);
      ++loaded;
      Index largest = 0;
      for (const auto* tensors : {&model.inputs(), &model.outputs()}) {
        for (const ModelTensor& tensor : *tensors) largest = std::max(largest, tensor.size);
      }
      if (largest < 1000) predictions<float>(model, 3);
    } catch (const std::invalid_argument& error) {
      refused += *error.what() != '\0';
    } catch (const std::bad_alloc&) {
      ++refused;
    }
  }
  CHECK(refused > 2000 && loaded > 50, refused << " refused, " << loaded << " loaded");
}

namespace {

// Of this process; 0 where the system does not tell.
std::size_t resident_bytes() {
  std::ifstream pages("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  pages >> all >> resident;
  return resident * 4096;
}

}  // namespace

UNITGAIN_TEST(a_large_file_is_mapped_and_not_read) {
  const Folder folder;
  const fs::path path = folder.path / "m.safetensors";
  constexpr std::size_t bytes = 100 << 20;
  const std::string header =
      std::string(R"({"__metadata__":{"format":"unitgain","description":"{\"version\":1,)") +
      R"(\"dtype\":\"float32\",\"graph\":{\"nodes\":[{\"kind\":\"input\",\"attributes\":)" +
      R"({\"rows\":1,\"cols\":5120}},{\"kind\":\"dense\",\"inputs\":[0],\"parameters\":)" +
      R"({\"kernel\":\"k\"}}],\"outputs\":[1]}}"},"k":{"dtype":"F32","shape":[5120,5120],)" +
      "\"data_offsets\":[0," + std::to_string(bytes) + "]}}";
  std::string aligned = header;
  aligned.resize((aligned.size() + 7) / 8 * 8, ' ');
  std::ofstream(path, std::ios::binary) << file_of(aligned);
  fs::resize_file(path, 8 + aligned.size() + bytes);
  const std::size_t before = resident_bytes();
  const Model model = load_model(path);
  const std::size_t after = resident_bytes();
  CHECK(model.network<float>().parameters()[0]->size() == 5120 * 5120, "the kernel");
  CHECK(after < before + bytes / 10, after - before << " bytes came into memory");
}

}  // namespace unitgain::tests
