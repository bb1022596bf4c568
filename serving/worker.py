"""What one worker serves: the application around a runtime, and the limits that must hold before a request comes."""

from serving import logs, memory
from serving.api.application import create_app
from serving.http import heads
from serving.runtime import Runtime
from serving.settings import Settings

memory.keep_little()
heads.limit()
settings = Settings()
logs.configure(settings.log_level)
runtime = Runtime(settings)
app = create_app(runtime)
