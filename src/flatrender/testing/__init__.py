"""What tests share: the pytest plugin and its servers. Never imported by the product."""
