"""The companion as a static site: pages by Sphinx, the explorer in the page, nothing executed."""
