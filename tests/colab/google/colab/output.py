def enable_custom_widget_manager():
    pass
