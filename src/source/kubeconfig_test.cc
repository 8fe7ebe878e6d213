#include "source/kubeconfig.h"

#include "source/support_for_test.h"

namespace bd::source {
namespace {

std::string config(const std::string& cluster, const std::string& user) {
  return fmt::format(
      "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
      "contexts:\n- name: there\n  context: {{cluster: no, user: no}}\n"
      "- name: here\n  context: {{cluster: c, user: u, namespace: ignored}}\n"
      "clusters:\n- name: c\n  cluster:\n    {}\nusers:\n- name: u\n  user:\n    {}\n",
      cluster, user);
}

TEST(Kubeconfig, ReadsTheCurrentContext) {
  const auto access = parse_kubeconfig(
      config("{server: 'https://api.example:6443/', certificate-authority: pki/ca.crt, "
             "tls-server-name: kubernetes, proxy-url: 'http://proxy:3128'}",
             "{client-certificate-data: Q0VSVA==, client-key-data: S0VZ, tokenFile: /run/token}"),
      "/etc/kube");
  ASSERT_TRUE(access) << access.error();
  EXPECT_EQ(access->server, "https://api.example:6443");
  EXPECT_EQ(access->ca_file, "/etc/kube/pki/ca.crt");
  EXPECT_EQ(access->server_name, "kubernetes");
  EXPECT_EQ(access->proxy, "http://proxy:3128");
  EXPECT_EQ(access->client_cert_data, "CERT");
  EXPECT_EQ(access->client_key_data, "KEY");
  EXPECT_EQ(access->token_file, "/run/token");
  EXPECT_FALSE(access->insecure_skip_verify);
}

TEST(Kubeconfig, DataWinsOverAFile) {
  const auto access = parse_kubeconfig(
      config("{server: 'https://a', certificate-authority: x, certificate-authority-data: 'Q0E='}",
             "{token: secret}"),
      ".");
  ASSERT_TRUE(access) << access.error();
  EXPECT_EQ(access->ca_data, "CA");
  EXPECT_EQ(access->ca_file, "");
  EXPECT_EQ(access->token, "secret");
}

TEST(Kubeconfig, SaysWhatItCannotUse) {
  const std::string server = "{server: 'https://a'}";
  struct Case {
    const char* why;
    std::string text, said;
  };
  const Case cases[] = {
      {"no YAML", "a: [", "line "},
      {"a list", "- a", "expected one YAML map"},
      {"no current context", "contexts: []", "has no current-context"},
      {"a context that is not there", "current-context: x\ncontexts: [{name: y, context: {}}]",
       "no context named 'x' (there are: y)"},
      {"a user that is not there",
       "current-context: x\ncontexts: [{name: x, context: {cluster: c, "
       "user: z}}]\nclusters: [{name: c, cluster: {server: 'https://a'}}]",
       "no user named 'z' (there are: none)"},
      {"no server", config("{}", "{token: a}"), "cluster.server is ''"},
      {"a server without a scheme", config("{server: 'api:6443'}", "{token: a}"), "is 'api:6443'"},
      {"a plugin", config(server, "{exec: {command: aws}}"), "user.exec is not supported"},
      {"an auth provider", config(server, "{auth-provider: {name: gcp}}"), "user.auth-provider"},
      {"a password", config(server, "{username: a, password: b}"), "user.username"},
      {"impersonation", config(server, "{token: a, as: root}"), "user.as is not supported"},
      {"a certificate without a key", config(server, "{client-certificate-data: Q0VSVA==}"),
       "only one of"},
      {"broken base64", config(server, "{client-certificate-data: 'Q0V*'}"), "is no base64"},
  };
  for (const Case& c : cases) {
    const auto access = parse_kubeconfig(c.text, ".");
    ASSERT_FALSE(access) << c.why;
    EXPECT_NE(access.error().find(c.said), std::string::npos) << c.why << ": " << access.error();
  }
}

TEST(Kubeconfig, FilesAreRelativeToIt) {
  const TempFolder folder;
  folder.write("config", config("{server: 'http://127.0.0.1:8001'}", "{tokenFile: token}"));
  const auto access = read_kubeconfig(folder.path("config"));
  ASSERT_TRUE(access) << access.error();
  EXPECT_EQ(access->token_file, folder.path("token"));
  const auto missing = read_kubeconfig(folder.path("none"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error(), folder.path("none") + ": No such file or directory");
}

TEST(ServiceAccount, NeedsAPod) {
  const TempFolder folder;
  EXPECT_FALSE(service_account_access("", "443", folder.path()));
  const auto without_files = service_account_access("10.96.0.1", "443", folder.path());
  ASSERT_FALSE(without_files);
  EXPECT_NE(without_files.error().find("token can't be read"), std::string::npos);

  folder.write("token", "t");
  folder.write("ca.crt", "c");
  const auto v4 = service_account_access("10.96.0.1", "443", folder.path());
  ASSERT_TRUE(v4) << v4.error();
  EXPECT_EQ(v4->server, "https://10.96.0.1:443");
  EXPECT_EQ(service_account_access("fd00::1", "443", folder.path())->server,
            "https://[fd00::1]:443");
}

}  // namespace
}  // namespace bd::source
